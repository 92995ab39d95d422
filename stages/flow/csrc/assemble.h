/* From flow to linear system: warp, filter, differentiate, weigh - in one pass over the rows.
 *
 * Each stage runs some rows behind the one before and keeps its rows in small rings, so that a level's
 * five feature planes are never written out. Finished rows gather in a band of LANES rows, which is then
 * skewed for the SOR sweeps.
 */

typedef struct {
    const irls_level *lv;
    int features;
    float alpha;
    const float *reference, *smooth, *image; /* features of frame 1, smoothed; features of frame 2 */
    float *u, *v, *du, *dv;                  /* du, dv: NULL in the first inner iteration */
    float *warped, *narrow, *blend, *dt;     /* rings of rows, each row `features` channels wide */
    float *phi[2], *zeros, *count;
    float *band;
    int apply; /* add the increments of the last SOR run to the flow before use */
} irls_assembly;

static inline float *ring_row(const irls_assembly *as, float *ring, int i, int size)
{
    return ring + (size_t)(i % size) * (size_t)(as->features * as->lv->stride) + IRLS_PAD;
}

/* Frame 2 at the flow's target, then smoothed along the row. */
static inline void warp_row(const irls_assembly *as, int i, int features)
{
    const irls_level *lv = as->lv;
    const ptrdiff_t at = (ptrdiff_t)i * lv->stride;
    float *out[IRLS_MAX_FEATURES], *row = as->warped + IRLS_PAD, *narrow = ring_row(as, as->narrow, i, 5);
    for (int c = 0; c < features; c++)
        out[c] = row + (size_t)c * lv->stride;
    /* each row of each channel is a new, short stream that the hardware would fetch too late */
    const float *ahead = as->image + at + (i + 4 < lv->h ? 4 * lv->stride : 0);
    for (int j = 0; j < lv->w; j += LANES) {
        for (int c = 0; c < features; c++)
            __builtin_prefetch(ahead + (size_t)c * lv->plane + j);
        warp_block(lv, as->reference + at, as->image, as->u + at, as->v + at, i, j, features, out);
    }
    for (int c = 0; c < features; c++)
        replicate(out[c], lv->w, 2);
    for (int c = 0; c < features; c++)
        smooth_row(out[c], narrow + (size_t)c * lv->stride, lv->w);
}

/* Smoothed down the columns; what is differentiated in space (0.4 of frame 1, 0.6 of the warped frame 2)
 * and in time. */
static inline void blend_row(const irls_assembly *as, int i, int features)
{
    const irls_level *lv = as->lv;
    const float *in[5];
    for (int k = 0; k < 5; k++)
        in[k] = ring_row(as, as->narrow, clamp(i + k - 2, lv->h), 5);
    float *blend = ring_row(as, as->blend, i, 5), *dt = ring_row(as, as->dt, i, 3);
    const float *first = as->smooth + (ptrdiff_t)i * lv->stride;
    for (int c = 0; c < features; c++) {
        const size_t at = (size_t)c * lv->stride;
        for (int j = 0; j < lv->w; j += LANES) {
            const size_t x = at + (size_t)j;
            V two = smooth5(v_load(in[0] + x), v_load(in[1] + x), v_load(in[2] + x), v_load(in[3] + x),
                            v_load(in[4] + x));
            const float *p = first + (size_t)c * lv->plane + j;
            __builtin_prefetch(p + 2 * lv->stride);
            V one = v_load(p);
            v_store(blend + x, v_fma(v_set(.4f), one, v_set(.6f) * two));
            v_store(dt + x, two - one);
        }
        replicate(blend + at, lv->w, 2);
    }
}

/* alpha * phi', half the inverse root of the flow gradient's square; forward differences vanish in the
 * last column (replicated flow) and in the last row. */
static inline void phi_row(const irls_assembly *as, int i)
{
    const irls_level *lv = as->lv;
    const ptrdiff_t at = (ptrdiff_t)i * lv->stride, below = i + 1 < lv->h ? lv->stride : 0;
    const float *u = as->u + at, *v = as->v + at;
    float *phi = as->phi[i % 2];
    const V half_alpha = v_set(.5f * as->alpha), epsilon = v_set(1e-6f);
    for (int j = 0; j < lv->w; j += LANES) {
        V u0 = v_load(u + j), v0 = v_load(v + j);
        V ur = v_loadu(u + j + 1), vr = v_loadu(v + j + 1), ud = v_load(u + below + j), vd = v_load(v + below + j);
        if (as->du) {
            const float *du = as->du + at + j, *dv = as->dv + at + j;
            u0 += v_load(du), v0 += v_load(dv);
            ur += v_loadu(du + 1), vr += v_loadu(dv + 1), ud += v_load(du + below), vd += v_load(dv + below);
        }
        const V ux = ur - u0, uy = ud - u0, vx = vr - v0, vy = vd - v0;
        V square = v_fma(ux, ux, epsilon);
        square = v_fma(uy, uy, square);
        square = v_fma(vx, vx, square);
        square = v_fma(vy, vy, square);
        v_store(phi + j, half_alpha * inverse_sqrt(square));
    }
    for (int k = 0; k < LANES; k++)
        phi[lv->w + k] = 0;
}

/* One row of the linear system, into the band. */
static inline void system_row(const irls_assembly *as, int i, int features)
{
    const irls_level *lv = as->lv;
    const ptrdiff_t at = (ptrdiff_t)i * lv->stride;
    const ptrdiff_t below = i + 1 < lv->h ? lv->stride : 0, above = i ? lv->stride : 0;
    const float *in[5], *dt = ring_row(as, as->dt, i, 3);
    for (int k = 0; k < 5; k++)
        in[k] = ring_row(as, as->blend, clamp(i + k - 2, lv->h), 5);
    const float *u = as->u + at, *v = as->v + at;
    const float *phi = as->phi[i % 2], *phi_up = i ? as->phi[(i + 1) % 2] : as->zeros;
    const V last_row = v_set(i + 1 < lv->h ? 0.f : 1.f);
    const V mean = v_set(.5f / (float)features), epsilon = v_set(1e-6f), omega = v_set(1.8f);
    const V ridge = v_set(.05f * as->alpha);
    float *row[IRLS_COEFS];
    for (int a = 0; a < IRLS_COEFS; a++)
        row[a] = as->band + ((size_t)a * LANES + (size_t)(i % LANES)) * (size_t)lv->stride + IRLS_PAD;

    for (int j = 0; j < lv->w; j += LANES) {
        const V zero = v_set(0);
        V a11 = zero, a12 = zero, a22 = zero, c1 = zero, c2 = zero;
        for (int c = 0; c < features; c++) {
            const size_t x = (size_t)c * lv->stride + (size_t)j;
            const float *p = in[2] + x;
            const V dx = derive5(v_loadu(p - 2), v_loadu(p - 1), v_loadu(p + 1), v_loadu(p + 2));
            const V dy = derive5(v_load(in[0] + x), v_load(in[1] + x), v_load(in[3] + x), v_load(in[4] + x));
            const V t = v_load(dt + x);
            V residual = t;
            if (as->du)
                residual = v_fma(dy, v_load(as->dv + at + j), v_fma(dx, v_load(as->du + at + j), t));
            const V psi = inverse_sqrt(v_fma(residual, residual, epsilon));
            const V px = psi * dx, py = psi * dy;
            a11 = v_fma(px, dx, a11);
            a12 = v_fma(px, dy, a12);
            a22 = v_fma(py, dy, a22);
            c1 = v_fma(px, t, c1);
            c2 = v_fma(py, t, c2);
        }
        const V u0 = v_load(u + j), v0 = v_load(v + j);
        const V p = v_load(phi + j), p_left = v_loadu(phi + j - 1), p_up = v_load(phi_up + j);
        /* minus the weighted Laplacian of the flow: what flows in from the four sides */
        V b1 = p * ((v_loadu(u + j + 1) - u0) + (v_load(u + below + j) - u0));
        V b2 = p * ((v_loadu(v + j + 1) - v0) + (v_load(v + below + j) - v0));
        b1 = v_fma(p_left, v_loadu(u + j - 1) - u0, b1);
        b2 = v_fma(p_left, v_loadu(v + j - 1) - v0, b2);
        b1 = v_fma(p_up, v_load(u - above + j) - u0, b1);
        b2 = v_fma(p_up, v_load(v - above + j) - v0, b2);
        const V sides = v_fma(p, v_load(as->count + j) - last_row, p_left + p_up) + ridge;
        v_store(row[PHI] + j, p);
        v_store(row[B1] + j, v_fnma(mean, c1, b1));
        v_store(row[B2] + j, v_fnma(mean, c2, b2));
        v_store(row[A12] + j, mean * a12);
        v_store(row[INV1] + j, omega / v_fma(mean, a11, sides));
        v_store(row[INV2] + j, omega / v_fma(mean, a22, sides));
    }
    for (int a = 0; a < IRLS_COEFS; a++)
        memset(row[a] + lv->w, 0, LANES * sizeof(float));
}

static inline void assemble_features(const irls_assembly *as, int features)
{
    const irls_level *lv = as->lv;
    for (int t = 0; t < lv->h + 4; t++) {
        if (t % LANES == 0 && t / LANES < lv->bands) {
            if (as->apply)
                unskew_band(lv, t / LANES, as->u, as->v, 1);
            if (as->du)
                unskew_band(lv, t / LANES, as->du, as->dv, 0);
        }
        if (t < lv->h)
            warp_row(as, t, features);
        if (t >= 2 && t - 2 < lv->h)
            blend_row(as, t - 2, features);
        const int i = t - 4;
        if (i < 0)
            continue;
        phi_row(as, i);
        system_row(as, i, features);
        if (i + 1 == lv->h)
            for (int a = 0; a < IRLS_COEFS; a++)
                for (int k = i % LANES + 1; k < LANES; k++)
                    memset(as->band + ((size_t)a * LANES + (size_t)k) * (size_t)lv->stride, 0,
                           (size_t)lv->stride * sizeof(float));
        if (i % LANES == LANES - 1 || i + 1 == lv->h)
            skew_band(lv, i / LANES, as->band + IRLS_PAD);
    }
}

static void assemble(const irls_assembly *as)
{
    if (as->features == 5) /* constants let the compiler unroll over the channels */
        assemble_features(as, 5);
    else
        assemble_features(as, 3);
}
