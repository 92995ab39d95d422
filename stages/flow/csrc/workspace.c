/* Geometry of the pyramid and memory of a workspace. */
#include "engine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t irls_now(void)
{
    struct timespec t;
#if defined(CLOCK_MONOTONIC)
    clock_gettime(CLOCK_MONOTONIC, &t);
#else
    timespec_get(&t, TIME_UTC);
#endif
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int round_up(int n, int to) { return (n + to - 1) / to * to; }

/* From one image row to the next: whole vectors and the pads. */
static int row_floats(int width) { return round_up(width, 16) + 2 * IRLS_PAD; }

/* Zeroed memory on a cache line; every pad in the engine relies on the zeros. NULL when memory is short. */
static void *allocate(irls_workspace *ws, size_t bytes)
{
    if (ws->n_blocks == IRLS_MAX_BLOCKS)
        return NULL;
    char *raw = calloc(1, bytes + 64);
    if (!raw)
        return NULL;
    ws->blocks[ws->n_blocks++] = raw;
    return raw + (64 - (uintptr_t)raw % 64) % 64;
}

static float *floats(irls_workspace *ws, size_t count) { return allocate(ws, count * sizeof(float)); }

/* The thesis code keeps sizes and sampling positions in double and truncates; so must we. */
static void sizes(irls_workspace *ws)
{
    const double ratio = ws->params.ratio, base_sigma = 1 / ratio - 1;
    int levels = (int)(log((double)ws->params.min_width / ws->width) / log(ratio));
    const int direct = (int)(log(0.25) / log(ratio)); /* levels made straight from the full picture */

    if (levels < 1)
        levels = 1;
    if (levels > IRLS_MAX_LEVELS)
        levels = IRLS_MAX_LEVELS;
    for (int k = 0; k < levels; k++) {
        irls_level *lv = &ws->level[k];
        if (k == 0) {
            lv->w = ws->width;
            lv->h = ws->height;
        } else {
            lv->source = k <= direct ? 0 : k - direct;
            const irls_level *from = &ws->level[lv->source];
            double sigma = base_sigma * (k <= direct ? k : direct), rate = pow(ratio, k), sum = 0;
            if (lv->source)
                rate = rate * ws->width / from->w;
            lv->w = (int)(from->w * rate);
            lv->h = (int)(from->h * rate);
            if (lv->w < 1 || lv->h < 1) { /* a very flat picture: nothing is left to refine */
                levels = k;
                break;
            }
            lv->radius = (int)(sigma * 3);
            if (lv->radius > IRLS_MAX_RADIUS)
                lv->radius = IRLS_MAX_RADIUS;
            double tap[2 * IRLS_MAX_RADIUS + 1];
            for (int i = -lv->radius; i <= lv->radius; i++)
                sum += tap[i + lv->radius] = exp(-(double)(i * i) / (sigma * sigma * 2));
            for (int i = 0; i <= 2 * lv->radius; i++)
                lv->kernel[i] = (float)(tap[i] / sum);
        }
        lv->stride = row_floats(lv->w);
        lv->plane = (size_t)lv->stride * (size_t)(lv->h + 2);
        const int lanes = ws->kernel->lanes;
        lv->bands = (lv->h + lanes - 1) / lanes;
        lv->diagonals = lv->w + lv->h - 1;
        lv->diagonal_blocks = (size_t)lv->bands + 2;
    }
    ws->levels = levels;
}

static void sample(irls_axis *axis, int dst, int src, double rate)
{
    for (int x = 0; x < dst; x++) {
        double at = (double)(x + 1) / rate - 1;
        int index = (int)at;
        double frac = at - index;
        frac = frac < 0 ? 0 : frac > 1 ? 1 : frac;
        if (index > src - 1) {
            index = src - 1;
            frac = 0;
        }
        axis->index[x] = index;
        axis->frac[x] = (float)frac;
    }
}

static int axis(irls_workspace *ws, irls_axis *axis, int dst, int src, double rate)
{
    axis->index = allocate(ws, (size_t)dst * sizeof(int));
    axis->frac = floats(ws, (size_t)dst);
    if (!axis->index || !axis->frac)
        return -1;
    sample(axis, dst, src, rate);
    return 0;
}

static int axes(irls_workspace *ws)
{
    for (int k = 0; k < ws->levels; k++) {
        irls_level *lv = &ws->level[k];
        if (k) {
            const irls_level *from = &ws->level[lv->source];
            double rate = pow(ws->params.ratio, k);
            if (lv->source)
                rate = rate * ws->width / from->w;
            if (axis(ws, &lv->image_x, lv->w, from->w, rate) || axis(ws, &lv->image_y, lv->h, from->h, rate))
                return -1;
        }
        if (k + 1 < ws->levels) {
            const irls_level *coarse = &ws->level[k + 1];
            if (axis(ws, &lv->flow_x, lv->w, coarse->w, (double)lv->w / coarse->w) ||
                axis(ws, &lv->flow_y, lv->h, coarse->h, (double)lv->h / coarse->h))
                return -1;
        }
    }
    return 0;
}

/* Diagonals from -2 on; bands are written in whole vectors, and sweeps look three diagonals ahead. */
static size_t stored_diagonals(const irls_level *lv, int lanes)
{
    return (size_t)(2 + lanes * (lv->bands - 1) + round_up(lv->w + lanes - 1, lanes) + 4);
}

static int planes(irls_workspace *ws)
{
    const int lanes = ws->kernel->lanes;
    int failed = 0;
    for (int k = 0; k < ws->levels && !failed; k++) {
        irls_level *lv = &ws->level[k];
        for (int f = 0; f < 2; f++) {
            irls_frame *frame = &ws->frame[f];
            failed |= !(frame->image[k] = floats(ws, lv->plane * (size_t)ws->channels));
            failed |= !(frame->feature[k] = floats(ws, lv->plane * (size_t)ws->features));
            failed |= !(frame->smooth[k] = floats(ws, lv->plane * (size_t)ws->features));
        }
        const size_t blocks = stored_diagonals(lv, lanes) * lv->diagonal_blocks * (size_t)lanes;
        failed |= !(lv->coef = floats(ws, blocks * IRLS_COEFS));
        failed |= !(lv->inc = floats(ws, blocks * 2));
    }
    /* the flow is updated in whole bands, so its planes hold whole bands of rows */
    const irls_level *full = &ws->level[0];
    float **flow[6] = {&ws->u, &ws->v, &ws->u2, &ws->v2, &ws->du, &ws->dv};
    for (int i = 0; i < 6; i++)
        failed |= !(*flow[i] = floats(ws, (size_t)full->stride * (size_t)round_up(full->h, lanes)));
    ws->rows = floats(ws, irls_scratch_floats(ws->width, lanes));
    return failed || !ws->rows ? -1 : 0;
}

/* Rows for assemble.h: rings of 5 for two kinds of feature rows and of 3 for the time derivative,
 * one warped row, two rows of phi, one of zeros, one of neighbour counts, and a band of the system. */
size_t irls_scratch_floats(int width, int lanes)
{
    return (size_t)row_floats(width) * (size_t)((5 + 5 + 3 + 1) * IRLS_MAX_FEATURES + 4 + IRLS_COEFS * lanes);
}

int irls_workspace_init(irls_workspace *ws, const irls_kernel *kernel, int width, int height, int channels,
                        irls_params params)
{
    memset(ws, 0, sizeof *ws);
    ws->kernel = kernel;
    ws->params = params;
    ws->width = width;
    ws->height = height;
    ws->channels = channels;
    ws->features = channels == 3 ? 5 : 3;
    sizes(ws);
    if (axes(ws) || planes(ws)) {
        irls_workspace_free(ws);
        return -1;
    }
    return 0;
}

void irls_workspace_free(irls_workspace *ws)
{
    while (ws->n_blocks)
        free(ws->blocks[--ws->n_blocks]);
}
