/* Small filters. The picture's own features and the warped ones must go through the very same arithmetic:
 * that is what makes identical frames give exactly zero. */

/* [.02 .11 .74 .11 .02] */
static inline V smooth5(V a, V b, V c, V d, V e)
{
    return v_fma(v_set(.02f), a + e, v_fma(v_set(.11f), b + d, v_set(.74f) * c));
}

/* [1 -8 0 8 -1] / 12 */
static inline V derive5(V a, V b, V d, V e)
{
    return v_fma(v_set(8.f / 12), d - b, v_set(1.f / 12) * (a - e));
}

/* 1/sqrt(x) from the bit guess (3 % off) by one step of third and one of second order: 1e-7. */
static inline V inverse_sqrt(V x)
{
    V y = v_rsqrt_guess(x);
    V e = v_fnma(x * y, y, v_set(1));
    y = v_fma(y * e, v_fma(v_set(.375f), e, v_set(.5f)), y);
    e = v_fnma(x * y, y, v_set(1));
    return v_fma(y * e, v_set(.5f), y);
}

/* Replicate the ends of a row `n` pixels outwards. */
static inline void replicate(float *row, int w, int n)
{
    for (int k = 1; k <= n; k++) {
        row[-k] = row[0];
        row[w - 1 + k] = row[w - 1];
    }
}

static inline int clamp(int i, int n) { return i < 0 ? 0 : i < n ? i : n - 1; }

/* Row `out` = 5-tap smoothing of row `in`, whose ends are replicated. */
static inline void smooth_row(const float *in, float *out, int w)
{
    for (int j = 0; j < w; j += LANES)
        v_store(out + j, smooth5(v_loadu(in + j - 2), v_loadu(in + j - 1), v_load(in + j), v_loadu(in + j + 1),
                                 v_loadu(in + j + 2)));
}
