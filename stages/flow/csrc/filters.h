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

/* 1/sqrt(x), to 1e-7: the bit guess y is up to 3.5 % off, so e = 1 - x y^2 lies in [-.0691, .0676], where
 * the minimax polynomial below gives 1/sqrt(1 - e) = (y sqrt(x))^-1 to 2.4e-8. No instruction whose result
 * differs between processors takes part. */
static inline V inverse_sqrt(V x)
{
    const V y = v_rsqrt_guess(x), e = v_fnma(x * y, y, v_set(1));
    V p = v_fma(e, v_set(.2741116f), v_set(.31393588f));
    p = v_fma(e, p, v_set(.37500027f));
    p = v_fma(e, p, v_set(.49999833f));
    return v_fma(y * e, p, y);
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
