/* Sixteen floats a vector. Names follow no library so that the three variants read alike. */
#include <immintrin.h>

#define LANES 16
/* Keep a value in its register: compilers love to load it twice instead, and loads are what binds. */
#define HOLD(x) __asm__("" : "+v"(x))
typedef __m512 V;
typedef __mmask16 M; /* one truth value a lane */

static inline V v_load(const float *p) { return _mm512_load_ps(p); }
static inline V v_loadu(const float *p) { return _mm512_loadu_ps(p); }
static inline void v_store(float *p, V a) { _mm512_store_ps(p, a); }
static inline void v_storeu(float *p, V a) { _mm512_storeu_ps(p, a); }
static inline V v_set(float a) { return _mm512_set1_ps(a); }
static inline V v_fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }   /* ab + c */
static inline V v_fnma(V a, V b, V c) { return _mm512_fnmadd_ps(a, b, c); } /* c - ab */

/* Lane k of the result is lane k-1 (k+1) of `cur`, the free end comes from its neighbour block. */
static inline V v_lane_up(V prev, V cur)
{
    return _mm512_castsi512_ps(_mm512_alignr_epi32(_mm512_castps_si512(cur), _mm512_castps_si512(prev), 15));
}
static inline V v_lane_down(V cur, V next)
{
    return _mm512_castsi512_ps(_mm512_alignr_epi32(_mm512_castps_si512(next), _mm512_castps_si512(cur), 1));
}

static inline V v_iota(void)
{
    return _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
static inline V v_floor(V a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
/* Comparisons are false for NaN. */
static inline M m_ge(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
static inline M m_eq(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
static inline M m_and(M a, M b) { return a & b; }
static inline M m_or(M a, M b) { return a | b; }
static inline M m_without(M a, M b) { return a & (M)~b; }
static inline unsigned m_bits(M a) { return a; }
static inline V v_blend(V no, V yes, M m) { return _mm512_mask_mov_ps(no, m, yes); }
/* The value of the first lane that is true; one must be. */
static inline float v_first(V a, M m) { return _mm512_cvtss_f32(_mm512_maskz_compress_ps(m, a)); }

/* First guess of 1/sqrt(x) by its exponent: the same bits in every variant. */
static inline V v_rsqrt_guess(V x)
{
    return _mm512_castsi512_ps(
        _mm512_sub_epi32(_mm512_set1_epi32(0x5f3759df), _mm512_srli_epi32(_mm512_castps_si512(x), 1)));
}

static inline void v_transpose(V r[LANES])
{
    V t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int k = 0; k < 2; k++) {
            __m512d a = _mm512_castps_pd(t[i + k]), b = _mm512_castps_pd(t[i + k + 2]);
            r[i + 2 * k] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            r[i + 2 * k + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
    for (int k = 0; k < 4; k++) {
        t[k] = _mm512_shuffle_f32x4(r[k], r[k + 4], 0x88);
        t[k + 4] = _mm512_shuffle_f32x4(r[k + 8], r[k + 12], 0x88);
        t[k + 8] = _mm512_shuffle_f32x4(r[k], r[k + 4], 0xdd);
        t[k + 12] = _mm512_shuffle_f32x4(r[k + 8], r[k + 12], 0xdd);
    }
    for (int k = 0; k < 4; k++) {
        r[k] = _mm512_shuffle_f32x4(t[k], t[k + 4], 0x88);
        r[k + 8] = _mm512_shuffle_f32x4(t[k], t[k + 4], 0xdd);
        r[k + 4] = _mm512_shuffle_f32x4(t[k + 8], t[k + 12], 0x88);
        r[k + 12] = _mm512_shuffle_f32x4(t[k + 8], t[k + 12], 0xdd);
    }
}
