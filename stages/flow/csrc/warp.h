/* Frame 2 looked up at the flow's target, bilinearly, a vector of neighbouring pixels at a time.
 *
 * Flow is smooth, so the whole parts of the displacements of a vector's pixels nearly always take at most
 * two neighbouring values along x and two along y. Then all they need lies in 3 x 3 shifted copies of the
 * vector, read by plain loads; each pixel gives weight to the 2 x 2 that are its own. Adding the others
 * times zero changes no bit, so the result does not depend on how pixels happen to share a vector. Pixels
 * whose motion differs more take another round.
 */
/* Weights of the shifted copies along one axis. */
typedef struct {
    V w[3];
} taps;

static inline V along_x(taps x, const float *p, int wide)
{
    const V two = v_fma(x.w[1], v_loadu(p + 1), x.w[0] * v_loadu(p));
    return wide ? v_fma(x.w[2], v_loadu(p + 2), two) : two;
}

static inline void warp_taps(const irls_level *lv, const float *p, taps x, taps y, int wide, M now, int features,
                             V *value)
{
    for (int c = 0; c < features; c++, p += lv->plane) {
        const V top = along_x(x, p, wide), middle = along_x(x, p + lv->stride, wide);
        V sum = v_fma(y.w[1], middle, y.w[0] * top);
        if (wide)
            sum = v_fma(y.w[2], along_x(x, p + 2 * lv->stride, wide), sum);
        value[c] = v_blend(value[c], sum, now);
    }
}

static inline void warp_block(const irls_level *lv, const float *reference, const float *image, const float *u,
                              const float *v, int i, int j, int features, float *const *out)
{
    const V vx = v_load(u + j), vy = v_load(v + j), column = v_iota() + v_set((float)j), zero = v_set(0);
    const V fx = v_floor(vx), fy = v_floor(vy), ax = vx - fx, ay = vy - fy, bx = v_set(1) - ax, by = v_set(1) - ay;
    /* compared with the flow: x + flow would round, and pixels on the border would change sides */
    const V room = v_set((float)(lv->w - 1)) - column;
    M inside = m_and(m_ge(vx, zero - column), m_ge(room, vx));
    inside = m_and(inside, m_and(m_ge(vy, v_set((float)-i)), m_ge(v_set((float)(lv->h - 1 - i)), vy)));
    inside = m_and(inside, m_ge(room, zero));
    V value[IRLS_MAX_FEATURES];

    if (m_bits(inside) != (1u << LANES) - 1)
        for (int c = 0; c < features; c++)
            value[c] = v_load(reference + (size_t)c * lv->plane + j);
    else
        for (int c = 0; c < features; c++)
            value[c] = zero;
    while (m_bits(inside)) {
        float kx = v_first(fx, inside), ky = v_first(fy, inside);
        kx -= m_bits(m_and(inside, m_eq(fx, v_set(kx - 1)))) ? 1.f : 0.f;
        ky -= m_bits(m_and(inside, m_eq(fy, v_set(ky - 1)))) ? 1.f : 0.f;
        const M x0 = m_eq(fx, v_set(kx)), x1 = m_eq(fx, v_set(kx + 1));
        const M y0 = m_eq(fy, v_set(ky)), y1 = m_eq(fy, v_set(ky + 1));
        const M now = m_and(inside, m_and(m_or(x0, x1), m_or(y0, y1)));
        const taps x = {{v_blend(zero, bx, x0), v_blend(bx, ax, x0), v_blend(zero, ax, x1)}};
        const taps y = {{v_blend(zero, by, y0), v_blend(by, ay, y0), v_blend(zero, ay, y1)}};
        const float *p = image + (ptrdiff_t)(i + (int)ky) * lv->stride + j + (int)kx;
        if (!m_bits(m_and(now, m_or(x1, y1)))) /* over half of them: all pixels move alike */
            warp_taps(lv, p, x, y, 0, now, features, value);
        else
            warp_taps(lv, p, x, y, 1, now, features, value);
        inside = m_without(inside, now);
    }
    for (int c = 0; c < features; c++)
        v_store(out[c] + j, value[c]);
}
