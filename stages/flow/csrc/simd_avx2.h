/* Eight floats a vector; see simd_avx512.h for what each function means. */
#include <immintrin.h>

#define LANES 8
#define HOLD(x) __asm__("" : "+x"(x))
typedef __m256 V;
typedef __m256 M;

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

static inline V v_iota(void) { return _mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7); }
static inline V v_floor(V a) { return _mm256_floor_ps(a); }
static inline M m_ge(V a, V b) { return _mm256_cmp_ps(a, b, _CMP_GE_OQ); }
static inline M m_eq(V a, V b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
static inline M m_and(M a, M b) { return _mm256_and_ps(a, b); }
static inline M m_or(M a, M b) { return _mm256_or_ps(a, b); }
static inline M m_without(M a, M b) { return _mm256_andnot_ps(b, a); }
static inline unsigned m_bits(M a) { return (unsigned)_mm256_movemask_ps(a); }
static inline V v_blend(V no, V yes, M m) { return _mm256_blendv_ps(no, yes, m); }
static inline float v_first(V a, M m)
{
    __m256i lane = _mm256_set1_epi32(__builtin_ctz(m_bits(m)));
    return _mm256_cvtss_f32(_mm256_permutevar8x32_ps(a, lane));
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
