/* The engine for processors with AVX2 and FMA; chosen at run time. */
#include "engine.h"
#ifdef IRLS_X86
#include <immintrin.h>
#include <string.h>
#include "fpmode.h"
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#include "simd_avx2.h"
#include "kernel.h"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
const irls_kernel irls_avx2 = {"avx2", LANES, load, solve};
#endif
