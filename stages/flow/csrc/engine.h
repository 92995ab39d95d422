/* Data structures of the IRLS flow engine, shared by every instruction-set variant.
 *
 * The method is C. Liu, "Beyond Pixels", MIT PhD thesis (2009), appendix A, with the constants of the
 * published code; the names below follow the thesis: (u, v) flow, (du, dv) its increment, phi and psi
 * the derivatives of the robust functions on smoothness and data.
 */
#ifndef IRLS_ENGINE_H
#define IRLS_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#if !defined(__GNUC__)
#error "the flow engine needs GCC, Clang or a compiler with their vector extensions"
#endif

#define IRLS_MAX_LEVELS 512
#define IRLS_MAX_BLOCKS (16 * IRLS_MAX_LEVELS + 7)
#define IRLS_MAX_FEATURES 5
#define IRLS_MAX_RADIUS 15
/* Floats left and right of each image row: room for stencils, for the last vector of a row, for the
 * skewing of a band (two vectors) and for the 32-pixel window of the warp. */
#define IRLS_PAD 32
#define IRLS_COEFS 6 /* arrays the SOR sweep reads per pixel */

typedef struct {
    double alpha, ratio;
    int min_width, n_outer, n_inner, n_sor;
} irls_params;

/* How one axis is resampled: dst[x] = (1 - frac[x]) src[index[x]] + frac[x] src[index[x] + 1]. */
typedef struct {
    int *index;
    float *frac;
} irls_axis;

typedef struct {
    int w, h;
    int stride;   /* floats from one row to the next */
    size_t plane; /* floats from one channel to the next; two rows more than h, finite values */
    /* how this level is made from a finer one: smoothed by `kernel`, then resampled */
    int source, radius;
    float kernel[2 * IRLS_MAX_RADIUS + 1];
    irls_axis image_x, image_y; /* from level `source` */
    irls_axis flow_x, flow_y;   /* from the next coarser level */
    /* skewed storage of the linear system, see sor.h */
    int bands, diagonals;
    size_t diagonal_blocks; /* blocks from one anti-diagonal to the next */
    float *coef, *inc;
} irls_level;

/* One picture: per level its colour planes, its features and the smoothed features. */
typedef struct {
    float *image[IRLS_MAX_LEVELS];
    float *feature[IRLS_MAX_LEVELS];
    float *smooth[IRLS_MAX_LEVELS];
} irls_frame;

typedef struct {
    uint64_t pyramid, assemble, sor, other; /* nanoseconds since the workspace was made */
} irls_times;

struct irls_kernel;

/* Everything needed for videos of one size; never shared by two threads at a time. */
typedef struct irls_workspace {
    const struct irls_kernel *kernel;
    irls_params params;
    int width, height, channels, features, levels;
    irls_level level[IRLS_MAX_LEVELS];
    irls_frame frame[2];
    float *u, *v, *u2, *v2, *du, *dv; /* planes of the size of level 0 */
    float *rows;                      /* scratch rows, see assemble.h and frame.h */
    irls_times times;
    void *blocks[IRLS_MAX_BLOCKS];    /* what to free */
    int n_blocks;
} irls_workspace;

/* Entry points of one instruction-set variant. */
typedef struct irls_kernel {
    const char *name;
    int lanes;
    /* Fill ws->frame[slot] from interleaved pixels, 8 bit (divided by 255) or float. */
    void (*load)(irls_workspace *ws, int slot, const void *pixels, int is_float);
    /* Flow from frame[first] to the other one, interleaved (H, W, 2). */
    void (*solve)(irls_workspace *ws, int first, float *out);
} irls_kernel;

#if defined(__x86_64__) || defined(__i386__)
#define IRLS_X86 1
extern const irls_kernel irls_avx512, irls_avx2;
#endif
extern const irls_kernel irls_baseline;

/* 0, or -1 with nothing left allocated when memory is short. */
int irls_workspace_init(irls_workspace *ws, const irls_kernel *kernel, int width, int height, int channels,
                        irls_params params);
void irls_workspace_free(irls_workspace *ws);
uint64_t irls_now(void);

/* Size of the scratch rows in floats. */
size_t irls_scratch_floats(int width, int lanes);

#endif
