/* The engine for processors with AVX-512 F, BW, DQ and VL; chosen at run time. */
#include "engine.h"
#ifdef IRLS_X86
#include <immintrin.h>
#include <string.h>
#include "fpmode.h"
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512")
#endif
#include "simd_avx512.h"
#include "kernel.h"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
const irls_kernel irls_avx512 = {"avx512", LANES, load, solve};
#endif
