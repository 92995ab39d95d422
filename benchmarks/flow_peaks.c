/* What one core can do at most, to hold the flow engine against: multiply-adds and loads a second.
 *
 * flow.py compiles this once per vector width (-DWIDTH=16 -mavx512f and so on) and runs it; it prints
 * "GFLOP/s L1-GB/s L2-GB/s".
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

typedef float V __attribute__((vector_size(4 * WIDTH)));

#ifdef __AVX512F__
#define REGISTER "v"
#else
#define REGISTER "x"
#endif
/* twelve independent chains: more than latency times units */
#define EACH(do) do(a) do(b) do(c) do(d) do(e) do(f) do(g) do(h) do(i) do(j) do(k) do(l)

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double multiply_adds(void)
{
    const long rounds = 2000000;
    V x, y;
    memset(&x, 0, sizeof x);
    memset(&y, 0, sizeof y);
    __asm__ volatile("" : "+" REGISTER(x), "+" REGISTER(y));
#define DECLARE(v) V v = x;
    EACH(DECLARE)
    const double start = now();
    for (long r = 0; r < rounds; r++) {
#define STEP(v) v = v * x + y; __asm__ volatile("" : "+" REGISTER(v));
        EACH(STEP)
    }
    return 2.0 * WIDTH * 12 * (double)rounds / (now() - start);
}

static V data[1 << 19] __attribute__((aligned(64)));

static double loads(size_t bytes)
{
    const size_t n = bytes / sizeof(V);
    const long rounds = (long)(4e9 / (double)bytes);
    const double start = now();
    for (long r = 0; r < rounds; r++)
        for (size_t i = 0; i < n; i += 8)
#pragma GCC unroll 8
            for (size_t k = 0; k < 8; k++) {
                V value = data[i + k];
                __asm__ volatile("" : : REGISTER(value));
            }
    return (double)bytes * (double)rounds / (now() - start);
}

int main(void)
{
    double best[3] = {0, 0, 0};
    memset(data, 1, sizeof data); /* untouched pages would all be one */
    for (int repeat = 0; repeat < 5; repeat++) {
        const double got[3] = {multiply_adds(), loads(16 << 10), loads(512 << 10)};
        for (int k = 0; k < 3; k++)
            best[k] = got[k] > best[k] ? got[k] : best[k];
    }
    printf("%.1f %.1f %.1f\n", best[0] * 1e-9, best[1] * 1e-9, best[2] * 1e-9);
    return 0;
}
