/* A picture's pyramid and features, made once and used by the two pairs it belongs to. */

static inline float *plane_row(float *planes, const irls_level *lv, int c, int i)
{
    return planes + (size_t)c * lv->plane + (size_t)i * (size_t)lv->stride + IRLS_PAD;
}

static void load_pixels(const irls_workspace *ws, float *planes, const void *pixels, int is_float)
{
    const irls_level *lv = &ws->level[0];
    const int n = ws->channels;
    for (int i = 0; i < lv->h; i++)
        for (int c = 0; c < n; c++) {
            float *out = plane_row(planes, lv, c, i);
            const size_t at = (size_t)i * (size_t)lv->w * (size_t)n + (size_t)c;
            if (is_float) {
                const float *in = (const float *)pixels + at;
                for (int j = 0; j < lv->w; j++)
                    out[j] = in[j * n];
            } else {
                const uint8_t *in = (const uint8_t *)pixels + at;
                for (int j = 0; j < lv->w; j++)
                    out[j] = (float)in[j * n] / 255.f;
            }
        }
}

/* Smooth level `source` and sample it. The filters are separable and commute with the sampling along the
 * other axis, so rows are smoothed only where they are sampled. */
static void shrink(const irls_workspace *ws, const irls_frame *frame, int k)
{
    const irls_level *to = &ws->level[k], *from = &ws->level[to->source];
    const int radius = to->radius;
    float *tall = ws->rows + IRLS_PAD, *wide = tall + from->stride;
    for (int c = 0; c < ws->channels; c++)
        for (int i = 0; i < to->h; i++) {
            const int first = to->image_y.index[i] - radius;
            const float frac = to->image_y.frac[i];
            float *out = plane_row(frame->image[k], to, c, i);
            for (int j = 0; j < from->w; j += LANES)
                v_store(tall + j, v_set(0));
            for (int m = 0; m < 2 * radius + 2; m++) {
                const float upper = m <= 2 * radius ? to->kernel[m] : 0, lower = m ? to->kernel[m - 1] : 0;
                const V weight = v_set(upper + frac * (lower - upper));
                const float *in = plane_row(frame->image[to->source], from, c, clamp(first + m, from->h));
                for (int j = 0; j < from->w; j += LANES)
                    v_store(tall + j, v_fma(weight, v_load(in + j), v_load(tall + j)));
            }
            replicate(tall, from->w, radius + 1);
            for (int j = 0; j < from->w; j += LANES) {
                V sum = v_set(to->kernel[radius]) * v_load(tall + j);
                for (int m = 1; m <= radius; m++)
                    sum = v_fma(v_set(to->kernel[radius + m]), v_loadu(tall + j - m) + v_loadu(tall + j + m), sum);
                v_store(wide + j, sum);
            }
            replicate(wide, from->w, 1);
            for (int j = 0; j < to->w; j++) {
                const float *p = wide + to->image_x.index[j];
                out[j] = p[0] + to->image_x.frac[j] * (p[1] - p[0]);
            }
        }
}

/* Grey, its two derivatives, and for colour green minus red and green minus blue; then all smoothed. */
static void features(const irls_workspace *ws, const irls_frame *frame, int k)
{
    const irls_level *lv = &ws->level[k];
    float *image = frame->image[k], *feature = frame->feature[k], *smooth = frame->smooth[k];
    for (int i = 0; i < lv->h; i++) {
        float *grey = plane_row(feature, lv, 0, i);
        const float *r = plane_row(image, lv, 0, i);
        if (ws->channels == 1) {
            memcpy(grey, r, (size_t)lv->w * sizeof(float));
        } else {
            const float *g = plane_row(image, lv, 1, i), *b = plane_row(image, lv, 2, i);
            float *gr = plane_row(feature, lv, 3, i), *gb = plane_row(feature, lv, 4, i);
            for (int j = 0; j < lv->w; j += LANES) {
                const V red = v_load(r + j), green = v_load(g + j), blue = v_load(b + j);
                v_store(grey + j, v_fma(v_set(.299f), red, v_fma(v_set(.587f), green, v_set(.114f) * blue)));
                v_store(gr + j, green - red);
                v_store(gb + j, green - blue);
            }
        }
        replicate(grey, lv->w, 2);
    }
    for (int i = 0; i < lv->h; i++) {
        float *dx = plane_row(feature, lv, 1, i), *dy = plane_row(feature, lv, 2, i);
        const float *p[5];
        for (int m = 0; m < 5; m++)
            p[m] = plane_row(feature, lv, 0, clamp(i + m - 2, lv->h));
        for (int j = 0; j < lv->w; j += LANES) {
            const float *q = p[2] + j;
            v_store(dx + j, derive5(v_loadu(q - 2), v_loadu(q - 1), v_loadu(q + 1), v_loadu(q + 2)));
            v_store(dy + j, derive5(v_load(p[0] + j), v_load(p[1] + j), v_load(p[3] + j), v_load(p[4] + j)));
        }
    }
    for (int c = 0; c < ws->features; c++) {
        float *ring = ws->rows + IRLS_PAD;
        for (int i = 0; i < lv->h; i++)
            replicate(plane_row(feature, lv, c, i), lv->w, 2);
        for (int t = 0; t < lv->h + 2; t++) {
            if (t < lv->h)
                smooth_row(plane_row(feature, lv, c, t), ring + (size_t)(t % 5) * (size_t)lv->stride, lv->w);
            if (t < 2)
                continue;
            const float *p[5];
            for (int m = 0; m < 5; m++)
                p[m] = ring + (size_t)(clamp(t + m - 4, lv->h) % 5) * (size_t)lv->stride;
            float *out = plane_row(smooth, lv, c, t - 2);
            for (int j = 0; j < lv->w; j += LANES)
                v_store(out + j, smooth5(v_load(p[0] + j), v_load(p[1] + j), v_load(p[2] + j), v_load(p[3] + j),
                                         v_load(p[4] + j)));
        }
    }
}

static void load(irls_workspace *ws, int slot, const void *pixels, int is_float)
{
    const uint64_t start = irls_now();
    const irls_frame *frame = &ws->frame[slot];
    load_pixels(ws, frame->image[0], pixels, is_float);
    for (int k = 1; k < ws->levels; k++)
        shrink(ws, frame, k);
    for (int k = 0; k < ws->levels; k++)
        features(ws, frame, k);
    ws->times.pyramid += irls_now() - start;
}
