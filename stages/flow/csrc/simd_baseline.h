/* Four floats a vector in plain vector extensions: SSE2 on x86-64, NEON on arm64, whatever the compiler
 * makes of it elsewhere. See simd_avx512.h for what each function means. */
#define LANES 4
#define HOLD(x) /* what a vector register is called depends on the processor */
typedef float V __attribute__((vector_size(16), may_alias));
typedef float VU __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t VI __attribute__((vector_size(16), may_alias));
typedef VI M;
typedef uint32_t VW __attribute__((vector_size(16), may_alias));

static inline V v_load(const float *p) { return *(const V *)p; }
static inline V v_loadu(const float *p) { return *(const VU *)p; }
static inline void v_store(float *p, V a) { *(V *)p = a; }
static inline void v_storeu(float *p, V a) { *(VU *)p = a; }
static inline V v_set(float a) { return (V){a, a, a, a}; }
/* two roundings: x86-64 has no fused operation at this level */
static inline V v_fma(V a, V b, V c) { return a * b + c; }
static inline V v_fnma(V a, V b, V c) { return c - a * b; }

#if defined(__clang__)
#define V_SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define V_SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, (VI){i, j, k, l})
#endif

static inline V v_lane_up(V prev, V cur) { return V_SHUFFLE(prev, cur, 3, 4, 5, 6); }
static inline V v_lane_down(V cur, V next) { return V_SHUFFLE(cur, next, 1, 2, 3, 4); }

static inline V v_iota(void) { return (V){0, 1, 2, 3}; }
static inline V v_floor(V a)
{
    V b = __builtin_convertvector(__builtin_convertvector(a, VI), V);
    return b + __builtin_convertvector((VI)(b > a), V); /* true is -1 */
}
static inline M m_ge(V a, V b) { return (M)(a >= b); }
static inline M m_eq(V a, V b) { return (M)(a == b); }
static inline M m_and(M a, M b) { return a & b; }
static inline M m_or(M a, M b) { return a | b; }
static inline M m_without(M a, M b) { return a & ~b; }
static inline unsigned m_bits(M a)
{
    return ((unsigned)a[0] & 1) | ((unsigned)a[1] & 2) | ((unsigned)a[2] & 4) | ((unsigned)a[3] & 8);
}
static inline V v_blend(V no, V yes, M m) { return (V)((m & (VI)yes) | (~m & (VI)no)); }
static inline float v_first(V a, M m)
{
    unsigned bits = m_bits(m);
    return a[bits & 1 ? 0 : bits & 2 ? 1 : bits & 4 ? 2 : 3];
}

static inline V v_rsqrt_guess(V x)
{
    VW magic = {0x5f3759df, 0x5f3759df, 0x5f3759df, 0x5f3759df};
    return (V)(magic - ((VW)x >> 1));
}

static inline void v_transpose(V r[LANES])
{
    V a = V_SHUFFLE(r[0], r[1], 0, 4, 1, 5), b = V_SHUFFLE(r[0], r[1], 2, 6, 3, 7);
    V c = V_SHUFFLE(r[2], r[3], 0, 4, 1, 5), d = V_SHUFFLE(r[2], r[3], 2, 6, 3, 7);
    r[0] = V_SHUFFLE(a, c, 0, 1, 4, 5);
    r[1] = V_SHUFFLE(a, c, 2, 3, 6, 7);
    r[2] = V_SHUFFLE(b, d, 0, 1, 4, 5);
    r[3] = V_SHUFFLE(b, d, 2, 3, 6, 7);
}
