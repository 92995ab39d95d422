/* Bilinear lookup of 16 neighbouring pixels without gathers.
 *
 * Flow is smooth, so the pixels that 16 neighbours look up nearly always lie in one 32-pixel window of
 * one or two image rows: two loads and two register permutations a row instead of 32 scattered loads.
 * Pixels out of the first one's window or row are done in another round.
 */
static inline void warp_block(const irls_level *lv, const float *reference, const float *image, const float *u,
                              const float *v, int i, int j, int features, float *const *out)
{
    const __m512i iota = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i column = _mm512_add_epi32(_mm512_set1_epi32(j), iota);
    const V vx = v_load(u + j), vy = v_load(v + j), x = _mm512_cvtepi32_ps(column);
    const V fx = _mm512_roundscale_ps(vx, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    const V fy = _mm512_roundscale_ps(vy, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    const V ax = vx - fx, ay = vy - fy;
    const int rest = lv->w - j;
    const __mmask16 exist = rest >= 16 ? 0xffff : (__mmask16)((1u << rest) - 1);
    __mmask16 inside = _mm512_mask_cmp_ps_mask(exist, vx, v_set(0) - x, _CMP_GE_OQ);
    inside = _mm512_mask_cmp_ps_mask(inside, vx, v_set((float)(lv->w - 1)) - x, _CMP_LE_OQ);
    inside = _mm512_mask_cmp_ps_mask(inside, vy, v_set((float)-i), _CMP_GE_OQ);
    inside = _mm512_mask_cmp_ps_mask(inside, vy, v_set((float)(lv->h - 1 - i)), _CMP_LE_OQ);
    const __m512i ix = _mm512_add_epi32(_mm512_cvtps_epi32(fx), column);
    const __m512i iy = _mm512_cvtps_epi32(fy);
    V value[IRLS_MAX_FEATURES];

    if (inside != 0xffff)
        for (int c = 0; c < features; c++)
            value[c] = v_load(reference + (size_t)c * lv->plane + j);
    else
        for (int c = 0; c < features; c++)
            value[c] = v_set(0);
    while (inside) {
        const int x0 = _mm512_cvtsi512_si32(_mm512_maskz_compress_epi32(inside, ix)) - 8;
        const int y0 = _mm512_cvtsi512_si32(_mm512_maskz_compress_epi32(inside, iy));
        const __m512i at = _mm512_sub_epi32(ix, _mm512_set1_epi32(x0));
        const __m512i next = _mm512_add_epi32(at, _mm512_set1_epi32(1));
        __mmask16 now = _mm512_mask_cmpeq_epi32_mask(inside, iy, _mm512_set1_epi32(y0));
        now = _mm512_mask_cmple_epu32_mask(now, at, _mm512_set1_epi32(30));
        const float *p = image + (ptrdiff_t)(i + y0) * lv->stride + x0;
        for (int c = 0; c < features; c++, p += lv->plane) {
            const float *q = p + lv->stride;
            V a = v_loadu(p), b = v_loadu(p + 16), d = v_loadu(q), e = v_loadu(q + 16);
            V t0 = _mm512_permutex2var_ps(a, at, b), t1 = _mm512_permutex2var_ps(a, next, b);
            V s0 = _mm512_permutex2var_ps(d, at, e), s1 = _mm512_permutex2var_ps(d, next, e);
            V top = v_fma(ax, t1 - t0, t0), bottom = v_fma(ax, s1 - s0, s0);
            value[c] = _mm512_mask_mov_ps(value[c], now, v_fma(ay, bottom - top, top));
        }
        inside &= (__mmask16)~now;
    }
    for (int c = 0; c < features; c++)
        v_store(out[c] + j, value[c]);
}
