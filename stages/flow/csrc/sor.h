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
    return lv->coef + ((size_t)(d + 2) * lv->diagonal_blocks + (size_t)(band + 1)) * COEF_BLOCK;
}

static inline float *inc_at(const irls_level *lv, int d, int band)
{
    return lv->inc + ((size_t)(d + 2) * lv->diagonal_blocks + (size_t)(band + 1)) * INC_BLOCK;
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

/* An increment, or its weighted value, of one block. */
typedef struct {
    V u, v;
} vec2;

static inline vec2 weigh(V phi, vec2 a) { return (vec2){phi * a.u, phi * a.v}; }

static inline vec2 inc_load(const float *p) { return (vec2){v_load(p), v_load(p + LANES)}; }

/* What flows in from the left and from above, given the weighted increments of the diagonal before. */
static inline vec2 behind(vec2 previous, vec2 current)
{
    return (vec2){current.u + v_lane_up(previous.u, current.u), current.v + v_lane_up(previous.v, current.v)};
}

/* New increments of a block from its own old ones, those on the next diagonal (`right`, and `next` of the
 * block below it) and what flows in from behind. */
static inline vec2 relax(const float *c, V phi, vec2 self, vec2 right, vec2 next, vec2 inflow)
{
    const V keep = v_set(1 - 1.8f);
    V a12 = v_load(c + A12 * LANES);
    HOLD(a12);
    V s = v_fnma(a12, self.v, v_load(c + B1 * LANES));
    V r = v_fma(phi, right.v + v_lane_down(right.v, next.v), v_load(c + B2 * LANES));
    s = v_fma(phi, right.u + v_lane_down(right.u, next.u), s);
    s = s + inflow.u;
    r = r + inflow.v;
    const V du = v_fma(v_load(c + INV1 * LANES), s, keep * self.u);
    r = v_fnma(a12, du, r);
    return (vec2){du, v_fma(v_load(c + INV2 * LANES), r, keep * self.v)};
}

/* One sweep over `count` blocks of diagonals d and d+1, given their first blocks of d. Taking two diagonals
 * together leaves the second one's left and upper neighbours in registers. */
static inline void sweep_pair(const irls_level *lv, const float *c, float *inc, int count)
{
    const ptrdiff_t cs = (ptrdiff_t)lv->diagonal_blocks * COEF_BLOCK, is = (ptrdiff_t)lv->diagonal_blocks * INC_BLOCK;
    const float *c_before = c - cs, *c1 = c + cs, *before = inc - is, *after = inc + 2 * is;
    float *inc1 = inc + is;
    vec2 q_left = weigh(v_load(c_before - COEF_BLOCK), inc_load(before - INC_BLOCK));
    vec2 q1_left = weigh(v_load(c - COEF_BLOCK), inc_load(inc - INC_BLOCK));
    vec2 self1 = inc_load(inc1), right1 = inc_load(after);

    do {
        V phi = v_load(c + PHI * LANES), phi_before = v_load(c_before + PHI * LANES);
        HOLD(phi);
        HOLD(phi_before);
        vec2 self = inc_load(inc);
        HOLD(self.u);
        HOLD(self.v);
        const vec2 q = weigh(phi_before, inc_load(before));
        const vec2 next = inc_load(inc1 + INC_BLOCK);
        const vec2 new0 = relax(c, phi, self, self1, next, behind(q_left, q));
        v_store(inc, new0.u);
        v_store(inc + LANES, new0.v);
        q_left = q;

        const vec2 q1 = weigh(phi, new0);
        V phi1 = v_load(c1 + PHI * LANES);
        HOLD(phi1);
        const vec2 next1 = inc_load(after + INC_BLOCK);
        const vec2 new1 = relax(c1, phi1, self1, right1, next1, behind(q1_left, q1));
        v_store(inc1, new1.u);
        v_store(inc1 + LANES, new1.v);
        q1_left = q1;
        self1 = next;
        right1 = next1;

        c += COEF_BLOCK, c1 += COEF_BLOCK, c_before += COEF_BLOCK;
        before += INC_BLOCK, inc += INC_BLOCK, inc1 += INC_BLOCK, after += INC_BLOCK;
    } while (--count);
}

/* Sweep s may do diagonal d as soon as sweep s-1 has done d+1. So a run of a few diagonals is taken through
 * many sweeps, each one diagonal behind the one before: all but one of the run's diagonals are still in the
 * first level of the cache from the last sweep, and all that the sweeps need together stays in the second.
 * A run that starts at diagonal -1, outside of the picture, keeps the pairs whole. */
static void sor(const irls_level *lv, int sweeps)
{
    const int bytes = (int)(lv->diagonal_blocks * (COEF_BLOCK + INC_BLOCK) * sizeof(float));
    int run = 28672 / bytes & ~1, fused;
    run = run < 2 ? 2 : run > 8 ? 8 : run;
    fused = 524288 / bytes - run;
    fused = fused < 2 ? 2 : fused;
    for (; sweeps > 0; sweeps -= fused) {
        const int now = sweeps < fused ? sweeps : fused;
        for (int front = 0; front < lv->diagonals + now - 1; front += run)
            for (int s = 0; s < now; s++) {
                int d = front - s, end = d + run < lv->diagonals ? d + run : lv->diagonals;
                for (d = d < 0 ? -(d & 1) : d; d < end; d += 2) {
                    const int top = d < lv->w ? 0 : d - lv->w + 1, bottom = d + 1 < lv->h ? d + 1 : lv->h - 1;
                    sweep_pair(lv, coef_at(lv, d, top / LANES), inc_at(lv, d, top / LANES),
                               bottom / LANES - top / LANES + 1);
                }
            }
    }
}
