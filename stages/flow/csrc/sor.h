/* Successive over-relaxation in the exact order of the reference, row by row.
 *
 * In that order a pixel needs the new values of its left and upper neighbour and the old ones of its
 * right and lower neighbour. All pixels of one anti-diagonal d = i + j are therefore independent. The
 * linear system is stored skewed: for each diagonal, blocks of LANES rows,
 *
 *     coef[d][band][phi b1 b2 a12 inv1 inv2][row in band]      inc[d][band][du dv][row in band]
 *
 * with j = d - i. Left and right neighbours then lie on diagonals d-1 and d+1 at the same row, upper and
 * lower ones a row off, which is one lane. Places outside of the picture hold zeros and inv = 0, so that
 * their increments stay zero and whole vectors need no masks.
 */

enum { PHI, B1, B2, A12, INV1, INV2 };
#define COEF_BLOCK (IRLS_COEFS * LANES)
#define INC_BLOCK (2 * LANES)

static inline float *coef_at(const irls_level *lv, int d, int band)
{
    return lv->coef + ((size_t)(d + 1) * lv->diagonal_blocks + (size_t)(band + 1)) * COEF_BLOCK;
}

static inline float *inc_at(const irls_level *lv, int d, int band)
{
    return lv->inc + ((size_t)(d + 1) * lv->diagonal_blocks + (size_t)(band + 1)) * INC_BLOCK;
}

/* Skew a band of LANES rows into `coef` and clear its increments. rows: [array][row][stride], with at
 * least 2 * LANES zeros (inv) or finite values left and right of each row. */
static void skew_band(const irls_level *lv, int band, const float *rows)
{
    for (int t = 0; t < lv->w + LANES - 1; t += LANES) {
        const int d = band * LANES + t;
        for (int a = 0; a < IRLS_COEFS; a++) {
            const float *p = rows + (size_t)a * LANES * (size_t)lv->stride + t;
            V r[LANES];
            for (int k = 0; k < LANES; k++)
                r[k] = v_loadu(p + (ptrdiff_t)k * (lv->stride - 1));
            v_transpose(r);
            for (int k = 0; k < LANES; k++)
                v_store(coef_at(lv, d + k, band) + a * LANES, r[k]);
        }
        for (int k = 0; k < LANES; k++) {
            v_store(inc_at(lv, d + k, band), v_set(0));
            v_store(inc_at(lv, d + k, band) + LANES, v_set(0));
        }
    }
}

/* The way back: add (or, where `add` is 0, write) the increments of a band to rows of two planes. */
static void unskew_band(const irls_level *lv, int band, float *u, float *v, int add)
{
    float *plane[2] = {u, v};
    const ptrdiff_t first = (ptrdiff_t)band * LANES * lv->stride;
    for (int a = 0; a < 2; a++) {
        float *p = plane[a] + first;
        if (!add)
            for (int k = 0; k < LANES; k++)
                memset(p + (ptrdiff_t)k * lv->stride - IRLS_PAD, 0, (size_t)lv->stride * sizeof(float));
        for (int t = 0; t < lv->w + LANES - 1; t += LANES) {
            V r[LANES];
            for (int k = 0; k < LANES; k++)
                r[k] = v_load(inc_at(lv, band * LANES + t + k, band) + a * LANES);
            v_transpose(r);
            for (int k = 0; k < LANES; k++) {
                float *q = p + t + (ptrdiff_t)k * (lv->stride - 1);
                v_storeu(q, v_loadu(q) + r[k]);
            }
        }
        for (int k = 0; k < LANES; k++)
            replicate(p + (ptrdiff_t)k * lv->stride, lv->w, 1);
    }
}

/* One sweep over blocks lo..hi of diagonal d. */
static inline void sweep_diagonal(const irls_level *lv, int d, int lo, int hi)
{
    const V keep = v_set(1 - 1.8f);
    const float *c = coef_at(lv, d, lo), *left = coef_at(lv, d - 1, lo);
    const float *before = inc_at(lv, d - 1, lo), *after = inc_at(lv, d + 1, lo);
    float *inc = inc_at(lv, d, lo);
    V p_prev = v_load(left - COEF_BLOCK + PHI * LANES);
    V u_prev = v_load(before - INC_BLOCK), v_prev = v_load(before - INC_BLOCK + LANES);
    V u_right = v_load(after), v_right = v_load(after + LANES);

    for (int b = lo; b <= hi; b++) {
        const V phi = v_load(c + PHI * LANES), a12 = v_load(c + A12 * LANES);
        const V p_left = v_load(left + PHI * LANES), p_up = v_lane_up(p_prev, p_left);
        const V u_left = v_load(before), v_left = v_load(before + LANES);
        const V u_up = v_lane_up(u_prev, u_left), v_up = v_lane_up(v_prev, v_left);
        const V u_next = v_load(after + INC_BLOCK), v_next = v_load(after + INC_BLOCK + LANES);
        const V u_down = v_lane_down(u_right, u_next), v_down = v_lane_down(v_right, v_next);
        V du = v_load(inc), dv = v_load(inc + LANES);

        V s = v_fnma(a12, dv, v_load(c + B1 * LANES));
        V r = v_fma(phi, v_right + v_down, v_load(c + B2 * LANES));
        s = v_fma(phi, u_right + u_down, s);
        s = v_fma(p_up, u_up, s);
        r = v_fma(p_up, v_up, r);
        s = v_fma(p_left, u_left, s);
        r = v_fma(p_left, v_left, r);
        du = v_fma(v_load(c + INV1 * LANES), s, keep * du);
        r = v_fnma(a12, du, r);
        dv = v_fma(v_load(c + INV2 * LANES), r, keep * dv);
        v_store(inc, du);
        v_store(inc + LANES, dv);

        p_prev = p_left;
        u_prev = u_left;
        v_prev = v_left;
        u_right = u_next;
        v_right = v_next;
        c += COEF_BLOCK;
        left += COEF_BLOCK;
        before += INC_BLOCK;
        after += INC_BLOCK;
        inc += INC_BLOCK;
    }
}

/* `sweeps` sweeps, FUSED at a time: sweep s may do diagonal d as soon as sweep s-1 has done d+1, so it
 * follows two diagonals behind and finds the coefficients still in the cache. */
static void sor(const irls_level *lv, int sweeps)
{
    for (; sweeps > 0; sweeps -= FUSED) {
        const int fused = sweeps < FUSED ? sweeps : FUSED;
        for (int front = 0; front < lv->diagonals + 2 * (fused - 1); front++)
            for (int s = 0; s < fused; s++) {
                const int d = front - 2 * s;
                if (d < 0 || d >= lv->diagonals)
                    continue;
                const int top = d < lv->w ? 0 : d - lv->w + 1, bottom = d < lv->h ? d : lv->h - 1;
                sweep_diagonal(lv, d, top / LANES, bottom / LANES);
            }
    }
}
