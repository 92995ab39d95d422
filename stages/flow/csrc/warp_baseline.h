/* Bilinear lookup of 4 neighbouring pixels, one by one. */
static inline int floor_int(float x)
{
    int k = (int)x;
    return k - ((float)k > x);
}

static inline void warp_block(const irls_level *lv, const float *reference, const float *image, const float *u,
                              const float *v, int i, int j, int features, float *const *out)
{
    const int end = j + LANES < lv->w ? j + LANES : lv->w;
    for (; j < end; j++) {
        const float vx = u[j], vy = v[j];
        /* compared with the flow, not with j + flow, which would round */
        if (!(vx >= (float)-j && vx <= (float)(lv->w - 1 - j) && vy >= (float)-i && vy <= (float)(lv->h - 1 - i))) {
            for (int c = 0; c < features; c++)
                out[c][j] = reference[(size_t)c * lv->plane + j];
            continue;
        }
        const int dx = floor_int(vx), dy = floor_int(vy);
        const float ax = vx - (float)dx, ay = vy - (float)dy;
        const float *p = image + (ptrdiff_t)(i + dy) * lv->stride + j + dx;
        for (int c = 0; c < features; c++, p += lv->plane) {
            const float *q = p + lv->stride;
            const float top = p[0] + ax * (p[1] - p[0]), bottom = q[0] + ax * (q[1] - q[0]);
            out[c][j] = top + ay * (bottom - top);
        }
    }
}
