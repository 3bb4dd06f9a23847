/* What processes bring together: logits of a vocabulary that is cut, to the bit those of one process; texts of any length;
 * lines that were dealt out, in their order. */
#include "dist_test.h"
#include "infer/deal.h"
#include "ops/group.h"
#include "ops/ops.h"

#include <string.h>

enum { VOCAB = 37, WIDTH = 8 };
static ts_comm *comm;

static float number(int64_t i) { return (float)(made_up(3, i) % 17 - 8); } /* small whole ones: sums are exact */

/* Rows [first, first + n) of the output layer, on a device of its own. */
static void logits(ts_comm *group, int64_t first, int64_t n, int64_t T, float *out)
{
    const ts_tape_options to = { 0 };
    ts_device *dev;
    ts_tape *tape;
    ts_param_set set;
    ts_param *w;
    ts_tensor *x, *z;
    float rows[5 * WIDTH];
    EXPECT_OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1 }, &dev));
    EXPECT_OK(ts_tape_create(dev, &to, &tape));
    EXPECT_OK(ts_param_set_init(&set, dev));
    EXPECT_OK(ts_param_add(&set, "w", n, WIDTH, true, &w));
    EXPECT_OK(ts_param_set_allocate(&set, TS_DTYPE_F32));
    for (int64_t i = 0; i < n * WIDTH; i++) {
        float v = number(first * WIDTH + i);
        EXPECT_OK(ts_param_put(w, i, 1, &v));
    }
    for (int64_t i = 0; i < T * WIDTH; i++)
        rows[i] = number(1000 + i);
    tape->recording = false;
    EXPECT_OK(ts_tape_new(tape, TS_DTYPE_F32, T, WIDTH, &x));
    dev->to_device(dev, ts_tensor_data(x), rows, (size_t)(T * WIDTH) * sizeof *rows);
    const ts_xent_op o = { .w = w, .vocab = VOCAB, .group = group, .first = first };
    EXPECT_OK(ts_op_logits_whole(tape, &o, x, &z));
    EXPECT(z->dim[0] == T && z->dim[1] == VOCAB, "[%lld, %lld]", (long long)z->dim[0], (long long)z->dim[1]);
    EXPECT_OK(ts_device_read(dev, out, ts_tensor_data(z), (size_t)(T * VOCAB) * sizeof *out));
    ts_tape_reset(tape);
    ts_tape_destroy(&tape);
    ts_param_set_deinit(&set);
    ts_device_close(&dev);
}

static void same_logits(int64_t T)
{
    float want[5 * VOCAB], got[5 * VOCAB];
    const int64_t each = VOCAB / comm->size, more = VOCAB % comm->size, r = comm->rank;
    logits(NULL, 0, VOCAB, T, want);
    logits(comm, r * each + (r < more ? r : more), each + (r < more), T, got);
    EXPECT(!memcmp(want, got, (size_t)(T * VOCAB) * sizeof *got), "logits of %lld rows differ", (long long)T);
}

/* As many bytes as the rank is high, none on the first. */
static void same_texts(void)
{
    ts_str all = { 0 };
    char own[64];
    memset(own, 'a' + comm->rank, sizeof own);
    EXPECT_OK(ts_comm_gather_text(comm, own, (size_t)comm->rank, &all));
    size_t at = 0;
    for (int r = 0; r < comm->size; r++)
        for (int i = 0; i < r; i++)
            EXPECT(at < all.len && all.s[at++] == 'a' + r, "byte %zu of rank %d", at, r);
    EXPECT(all.len == at, "%zu bytes, not %zu", all.len, at);
    ts_str_deinit(&all);
}

static ts_status next(void *ctx, const char *s, size_t n)
{
    int64_t *number = ctx;
    char want[32];
    snprintf(want, sizeof want, "line %lld", (long long)*number);
    EXPECT(n == strlen(want) && !memcmp(s, want, n), "line %lld is \"%.*s\"", (long long)*number, (int)n, s);
    *number += 1 + (*number == 4); /* nothing became of line 5 */
    return TS_OK;
}

static void dealt_lines(void)
{
    enum { LINES = 23 };
    ts_str own = { 0 };
    int64_t number = 0;
    for (int64_t i = 0; i < LINES; i++) {
        char line[32];
        const int n = snprintf(line, sizeof line, "line %lld", (long long)i);
        if (i != 5 && ts_deal_is_mine(comm, i))
            EXPECT_OK(ts_deal_put(&own, i, line, (size_t)n));
    }
    EXPECT_OK(ts_deal_collect(comm, &own, next, &number));
    EXPECT(number == (comm->rank ? 0 : LINES), "%lld lines came", (long long)number);
}

int main(int argc, char **argv)
{
    comm = open_world(argc > 1 ? argv[1] : "");
    same_logits(1);
    same_logits(5);
    same_texts();
    dealt_lines();
    ts_comm_finish(&comm, false);
    return 0;
}
