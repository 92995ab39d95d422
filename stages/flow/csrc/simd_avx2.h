/* Eight floats a vector; see simd_avx512.h for what each function means. */
#include <immintrin.h>

#define LANES 8
typedef __m256 V;

static inline V v_load(const float *p) { return _mm256_load_ps(p); }
static inline V v_loadu(const float *p) { return _mm256_loadu_ps(p); }
static inline void v_store(float *p, V a) { _mm256_store_ps(p, a); }
static inline void v_storeu(float *p, V a) { _mm256_storeu_ps(p, a); }
static inline V v_set(float a) { return _mm256_set1_ps(a); }
static inline V v_fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
static inline V v_fnma(V a, V b, V c) { return _mm256_fnmadd_ps(a, b, c); }

static inline V v_lane_up(V prev, V cur)
{
    __m256i c = _mm256_castps_si256(cur);
    __m256i t = _mm256_permute2x128_si256(_mm256_castps_si256(prev), c, 0x21);
    return _mm256_castsi256_ps(_mm256_alignr_epi8(c, t, 12));
}
static inline V v_lane_down(V cur, V next)
{
    __m256i c = _mm256_castps_si256(cur);
    __m256i t = _mm256_permute2x128_si256(c, _mm256_castps_si256(next), 0x21);
    return _mm256_castsi256_ps(_mm256_alignr_epi8(t, c, 4));
}

static inline V v_rsqrt_guess(V x)
{
    return _mm256_castsi256_ps(
        _mm256_sub_epi32(_mm256_set1_epi32(0x5f3759df), _mm256_srli_epi32(_mm256_castps_si256(x), 1)));
}

static inline void v_transpose(V r[LANES])
{
    V t[8];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int k = 0; k < 2; k++) {
            r[i + 2 * k] = _mm256_shuffle_ps(t[i + k], t[i + k + 2], 0x44);
            r[i + 2 * k + 1] = _mm256_shuffle_ps(t[i + k], t[i + k + 2], 0xee);
        }
    for (int k = 0; k < 4; k++) {
        t[k] = _mm256_permute2f128_ps(r[k], r[k + 4], 0x20);
        t[k + 4] = _mm256_permute2f128_ps(r[k], r[k + 4], 0x31);
    }
    for (int k = 0; k < 8; k++)
        r[k] = t[k];
}
