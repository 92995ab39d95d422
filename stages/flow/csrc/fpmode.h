/* Increments that die out far from any motion would become denormal numbers, which some processors handle
 * a hundred times slower; within a call they count as zero. The caller's mode is put back. */
#ifndef IRLS_FPMODE_H
#define IRLS_FPMODE_H
#if defined(__SSE2__)
#include <xmmintrin.h>
static inline unsigned flush_denormals(void)
{
    const unsigned mode = _mm_getcsr();
    _mm_setcsr(mode | 0x8040); /* flush to zero, denormals are zero */
    return mode;
}
static inline void restore_denormals(unsigned mode) { _mm_setcsr(mode); }
#else
static inline unsigned flush_denormals(void) { return 0; }
static inline void restore_denormals(unsigned mode) { (void)mode; }
#endif
#endif
