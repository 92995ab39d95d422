/* Bilinear lookup of 8 neighbouring pixels from a 16-pixel window; see warp_avx512.h. */
static inline V warp_pick(V a, V b, __m256i at, V high)
{
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(a, at), _mm256_permutevar8x32_ps(b, at), high);
}

static inline void warp_block(const irls_level *lv, const float *reference, const float *image, const float *u,
                              const float *v, int i, int j, int features, float *const *out)
{
    const __m256i iota = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i column = _mm256_add_epi32(_mm256_set1_epi32(j), iota);
    const V vx = v_load(u + j), vy = v_load(v + j), x = _mm256_cvtepi32_ps(column);
    const V fx = _mm256_floor_ps(vx), fy = _mm256_floor_ps(vy), ax = vx - fx, ay = vy - fy;
    const __m256i exist = _mm256_cmpgt_epi32(_mm256_set1_epi32(lv->w), column);
    V in = _mm256_and_ps(_mm256_castsi256_ps(exist), _mm256_cmp_ps(vx, v_set(0) - x, _CMP_GE_OQ));
    in = _mm256_and_ps(in, _mm256_cmp_ps(vx, v_set((float)(lv->w - 1)) - x, _CMP_LE_OQ));
    in = _mm256_and_ps(in, _mm256_cmp_ps(vy, v_set((float)-i), _CMP_GE_OQ));
    in = _mm256_and_ps(in, _mm256_cmp_ps(vy, v_set((float)(lv->h - 1 - i)), _CMP_LE_OQ));
    unsigned inside = (unsigned)_mm256_movemask_ps(in);
    const __m256i ix = _mm256_add_epi32(_mm256_cvtps_epi32(fx), column);
    const __m256i iy = _mm256_cvtps_epi32(fy);
    int lane_x[8], lane_y[8];
    V value[IRLS_MAX_FEATURES];

    for (int c = 0; c < features; c++)
        value[c] = inside == 0xff ? v_set(0) : v_load(reference + (size_t)c * lv->plane + j);
    _mm256_storeu_si256((__m256i *)lane_x, ix);
    _mm256_storeu_si256((__m256i *)lane_y, iy);
    while (inside) {
        const int lane = __builtin_ctz(inside), x0 = lane_x[lane] - 3, y0 = lane_y[lane];
        const __m256i at = _mm256_sub_epi32(ix, _mm256_set1_epi32(x0));
        const __m256i next = _mm256_add_epi32(at, _mm256_set1_epi32(1));
        const V at_high = _mm256_castsi256_ps(_mm256_slli_epi32(at, 28));
        const V next_high = _mm256_castsi256_ps(_mm256_slli_epi32(next, 28));
        __m256i ok = _mm256_cmpeq_epi32(iy, _mm256_set1_epi32(y0));
        ok = _mm256_and_si256(ok, _mm256_cmpeq_epi32(at, _mm256_min_epu32(at, _mm256_set1_epi32(14))));
        const V now = _mm256_and_ps(in, _mm256_castsi256_ps(ok));
        const float *p = image + (ptrdiff_t)(i + y0) * lv->stride + x0;
        for (int c = 0; c < features; c++, p += lv->plane) {
            const float *q = p + lv->stride;
            V a = v_loadu(p), b = v_loadu(p + 8), d = v_loadu(q), e = v_loadu(q + 8);
            V t0 = warp_pick(a, b, at, at_high), t1 = warp_pick(a, b, next, next_high);
            V s0 = warp_pick(d, e, at, at_high), s1 = warp_pick(d, e, next, next_high);
            V top = v_fma(ax, t1 - t0, t0), bottom = v_fma(ax, s1 - s0, s0);
            value[c] = _mm256_blendv_ps(value[c], v_fma(ay, bottom - top, top), now);
        }
        inside &= ~(unsigned)_mm256_movemask_ps(now);
    }
    for (int c = 0; c < features; c++)
        v_store(out[c] + j, value[c]);
}
