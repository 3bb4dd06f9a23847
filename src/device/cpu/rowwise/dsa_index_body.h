/* The indexer of sparse attention: which keys a query attends to, and what it learns. After dsa_body.h's sums. No
 * include guard. */

INLINE int64_t iq_at(const ts_dsa_args *a, int64_t row, int64_t g) { return (row * a->index_heads + g) * a->index_dim; }

/* A head's product with a key. */
INLINE vs index_dot(const ts_dsa_args *a, int64_t row, int64_t key, int64_t g, ts_dtype t)
{
    return dot(a->iq, iq_at(a, row, g), a->ik, key * a->ik_row, a->index_dim, t);
}

INLINE vs index_score(const ts_dsa_args *a, int64_t row, int64_t key, ts_dtype t)
{
    vs sum = 0;
    for (int64_t g = 0; g < a->index_heads; g++) {
        const vs d = index_dot(a, row, key, g, t);
        sum += d > 0 ? d * (vs)a->iw[row * a->index_heads + g] : 0;
    }
    return sum * (vs)a->index_scale;
}

/* ---- choosing ---- */

/* Whether key i of the heap goes before key k: the worst stands at the top. */
INLINE bool is_worse(const float *best, const int32_t *chosen, int64_t i, int64_t k)
{
    return best[i] < best[k] || (best[i] == best[k] && chosen[i] > chosen[k]);
}

INLINE void exchange(float *best, int32_t *chosen, int64_t i, int64_t k)
{
    const float s = best[i];
    const int32_t j = chosen[i];
    best[i] = best[k], chosen[i] = chosen[k];
    best[k] = s, chosen[k] = j;
}

INLINE void sink(float *best, int32_t *chosen, int64_t i, int64_t n)
{
    for (int64_t down; (down = 2 * i + 1) < n; i = down) {
        if (down + 1 < n && is_worse(best, chosen, down + 1, down))
            down++;
        if (!is_worse(best, chosen, down, i))
            return;
        exchange(best, chosen, i, down);
    }
}

INLINE void heap(float *best, int32_t *chosen, int64_t n)
{
    for (int64_t i = n / 2; i-- > 0;)
        sink(best, chosen, i, n);
}

/* Keys that are equally good: of these the last goes first, so that they end in ascending order. */
INLINE void sort_keys(float *best, int32_t *chosen, int64_t n)
{
    clear(best, n);
    heap(best, chosen, n);
    for (int64_t end = n - 1; end > 0; end--) {
        exchange(best, chosen, 0, end);
        sink(best, chosen, 0, end);
    }
}

INLINE void select_rows(const ts_dsa_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t row = begin; row < end; row++) {
        const ts_dsa_list seen = ts_dsa_seen(a, a->row0 + row);
        const int64_t n = min64(seen.n, a->most);
        float *best = a->best + row * a->most;
        int32_t *chosen = a->chosen + row * a->most;
        for (int64_t i = 0; i < seen.n; i++) {
            const int64_t j = seen.first + i;
            const float s = seen.n > a->most ? (float)index_score(a, row, seen.sequence * a->keys + j, t) : 0;
            if (i < n) {
                best[i] = s, chosen[i] = (int32_t)j;
            } else if (s > best[0]) {
                best[0] = s, chosen[0] = (int32_t)j;
                sink(best, chosen, 0, n);
            }
            if (i == n - 1 && seen.n > n)
                heap(best, chosen, n);
        }
        if (seen.n > n)
            sort_keys(best, chosen, n);
        for (int64_t i = n; i < a->most; i++)
            chosen[i] = -1;
    }
}

/* ---- what it learns ---- */

/* softmax(I) less the target, both over the list, times the weight; the loss. */
INLINE void loss_of_row(const ts_dsa_args *a, const ts_dsa_list *l, int64_t row, ts_dtype t)
{
    float *s = a->scores + row * a->width;
    const float *target = a->target + row * a->width;
    double all = 0, max = -INFINITY, sum = 0, loss = 0;
    for (int64_t i = 0; i < l->n; i++) {
        s[i] = (float)index_score(a, row, l->sequence * a->keys + ts_dsa_key(l, i), t);
        all += (double)target[i];
        max = (double)s[i] > max ? (double)s[i] : max;
    }
    for (int64_t i = 0; i < l->n; i++)
        sum += exp((double)s[i] - max);
    for (int64_t i = 0; i < l->n; i++) {
        const double p = (double)target[i] / all, log_q = (double)s[i] - max - log(sum);
        loss += p > 0 ? p * (log(p) - log_q) : 0;
        s[i] = a->weight * (float)(exp(log_q) - p);
    }
    for (int64_t i = l->n; i < a->width; i++)
        s[i] = 0;
    a->loss[row] = (float)loss;
}

INLINE void index_grads(const ts_dsa_args *a, const ts_dsa_list *l, int64_t row, ts_dtype t)
{
    const float *d = a->scores + row * a->width;
    float diq[TS_DSA_MOST_INDEX];
    for (int64_t g = 0; g < a->index_heads; g++) {
        double diw = 0;
        clear(diq, a->index_dim);
        for (int64_t i = 0; i < l->n; i++) {
            const int64_t key = l->sequence * a->keys + ts_dsa_key(l, i);
            const vs by = index_dot(a, row, key, g, t);
            if (!(by > 0))
                continue;
            diw += (double)by * (double)d[i];
            add_times(diq, (vs)d[i], a->ik, key * a->ik_row, a->index_dim, t);
        }
        a->diw[row * a->index_heads + g] = (float)(diw * (double)a->index_scale);
        put(a->diq, iq_at(a, row, g), diq, (vs)(a->index_scale * a->iw[row * a->index_heads + g]), a->index_dim, t);
    }
}

INLINE void loss_rows(const ts_dsa_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    for (int64_t row = begin; row < end; row++) {
        const ts_dsa_list l = ts_dsa_list_of(a, row);
        loss_of_row(a, &l, row, t);
        index_grads(a, &l, row, t);
    }
}

INLINE void dik_items(const ts_dsa_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    float dik[TS_DSA_MOST_INDEX];
    for (int64_t key = begin; key < end; key++) {
        const int64_t b = key / a->keys, j = key % a->keys;
        clear(dik, a->index_dim);
        for (int64_t row = ts_dsa_first_row(a, b, j); row < (b + 1) * a->S; row++) {
            const ts_dsa_list l = ts_dsa_list_of(a, row);
            const int64_t i = ts_dsa_place(&l, j);
            const vs d = i < 0 ? 0 : (vs)a->scores[row * a->width + i];
            for (int64_t g = 0; i >= 0 && g < a->index_heads; g++)
                if (index_dot(a, row, key, g, t) > 0)
                    add_times(dik, d * (vs)a->iw[row * a->index_heads + g], a->iq, iq_at(a, row, g), a->index_dim, t);
        }
        put(a->dik, key * a->index_dim, dik, (vs)a->index_scale, a->index_dim, t);
    }
}

DSA_KERNEL(dsa_select, select_rows)
DSA_KERNEL(dsa_loss, loss_rows)
DSA_KERNEL(dsa_dik, dik_items)
