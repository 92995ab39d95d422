/* Coarse to fine: at each level a few outer iterations of assembling and relaxing. */

/* Flow of the next coarser level -> this one's size and pixels. */
static void enlarge(const irls_workspace *ws, int k, const float *coarse, float *fine)
{
    const irls_level *to = &ws->level[k], *from = &ws->level[k + 1];
    const float gain = (float)(1 / ws->params.ratio);
    float *row = ws->rows + IRLS_PAD;
    for (int i = 0; i < to->h; i++) {
        const int y = to->flow_y.index[i], below = y + 1 < from->h ? from->stride : 0;
        const V frac = v_set(to->flow_y.frac[i]);
        const float *in = coarse + (ptrdiff_t)y * from->stride;
        float *out = fine + (ptrdiff_t)i * to->stride;
        for (int j = 0; j < from->w; j += LANES) {
            const V a = v_load(in + j);
            v_store(row + j, v_fma(frac, v_load(in + below + j) - a, a));
        }
        replicate(row, from->w, 1);
        for (int j = 0; j < to->w; j++) {
            const float *p = row + to->flow_x.index[j];
            out[j] = gain * (p[0] + to->flow_x.frac[j] * (p[1] - p[0]));
        }
        replicate(out, to->w, 1);
    }
}

static void level_flow(irls_workspace *ws, int first, int k, float *u, float *v)
{
    const irls_level *lv = &ws->level[k];
    const size_t ring = (size_t)ws->features * (size_t)lv->stride;
    irls_assembly as = {.lv = lv, .features = ws->features, .alpha = (float)ws->params.alpha, .u = u, .v = v};
    float *at = ws->rows;
    memset(at, 0, (14 * ring + (size_t)(4 + IRLS_COEFS * LANES) * (size_t)lv->stride) * sizeof(float));
    as.warped = at;
    as.narrow = at += ring;
    as.blend = at += 5 * ring;
    as.dt = at += 5 * ring;
    at += 3 * ring;
    as.phi[0] = at + IRLS_PAD;
    as.phi[1] = as.phi[0] + lv->stride;
    as.zeros = as.phi[1] + lv->stride;
    as.count = as.zeros + lv->stride;
    as.band = at + 4 * (size_t)lv->stride;
    for (int j = 0; j < lv->w; j++)
        as.count[j] = j + 1 < lv->w ? 2.f : 1.f;
    as.reference = ws->frame[first].feature[k] + IRLS_PAD;
    as.smooth = ws->frame[first].smooth[k] + IRLS_PAD;
    as.image = ws->frame[1 - first].feature[k] + IRLS_PAD;

    for (int outer = 0; outer < ws->params.n_outer + k; outer++)
        for (int inner = 0; inner < ws->params.n_inner; inner++) {
            as.apply = outer > 0 && inner == 0;
            as.du = inner ? ws->du + IRLS_PAD : NULL;
            as.dv = inner ? ws->dv + IRLS_PAD : NULL;
            const uint64_t start = irls_now();
            assemble(&as);
            const uint64_t middle = irls_now();
            sor(lv, ws->params.n_sor + 3 * k);
            ws->times.assemble += middle - start;
            ws->times.sor += irls_now() - middle;
        }
    for (int b = 0; b < lv->bands; b++)
        unskew_band(lv, b, u, v, 1);
}

static void solve(irls_workspace *ws, int first, float *out)
{
    const uint64_t start = irls_now(), before = ws->times.assemble + ws->times.sor;
    const unsigned mode = flush_denormals();
    float *u = ws->u + IRLS_PAD, *v = ws->v + IRLS_PAD, *u2 = ws->u2 + IRLS_PAD, *v2 = ws->v2 + IRLS_PAD;
    for (int k = ws->levels - 1; k >= 0; k--) {
        if (k == ws->levels - 1) {
            const irls_level *lv = &ws->level[k];
            const size_t bytes = (size_t)lv->stride * (size_t)lv->h * sizeof(float);
            memset(u - IRLS_PAD, 0, bytes);
            memset(v - IRLS_PAD, 0, bytes);
        } else {
            float *swap = u;
            enlarge(ws, k, u, u2);
            enlarge(ws, k, v, v2);
            u = u2, u2 = swap, swap = v;
            v = v2, v2 = swap;
        }
        level_flow(ws, first, k, u, v);
    }
    const irls_level *lv = &ws->level[0];
    for (int i = 0; i < lv->h; i++)
        for (int j = 0; j < lv->w; j++) {
            *out++ = u[(ptrdiff_t)i * lv->stride + j];
            *out++ = v[(ptrdiff_t)i * lv->stride + j];
        }
    restore_denormals(mode);
    ws->times.other += irls_now() - start - (ws->times.assemble + ws->times.sor - before);
}
