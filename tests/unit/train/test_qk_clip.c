/* QK-clip on a weight and a bias whose heads' largest scores are given. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "device/isa.h"
#include "train/qk_clip.h"

#include <math.h>

enum { GROUPS = 3, DIM = 2, QUERIES = 2, COLS = 5, GROUP = (QUERIES + 2) * DIM, ROWS = GROUPS * GROUP };

/* Of rows of the weight: 0 queries, 1 keys, 2 values. */
static int band_of(int row) { return row % GROUP < QUERIES * DIM ? 0 : row % GROUP < (QUERIES + 1) * DIM ? 1 : 2; }

static double begun(int i) { return 0.25 + i % 17; }

static void rows_are_scaled(void **state)
{
    (void)state;
    static const float tops[GROUPS * QUERIES] = { 3, 50, 200, -7, 400, 100 };
    static const double eta[GROUPS] = { 1, 0.5, 0.25 };
    const ts_train_options o = { .qk_clip = true, .qk_clip_alpha = 0.25, .qk_clip_threshold = 100 };
    const ts_param_bands bands = { 3, { QUERIES * DIM, DIM, DIM }, DIM };
    ts_device *dev;
    ts_comm *comm;
    ts_mesh *mesh;
    ts_param_set set;
    ts_param *w, *b, *other;
    double most;
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &dev));
    OK(ts_comm_self_create(&comm));
    OK(ts_mesh_create(comm, &(ts_mesh_shape){ 0 }, &mesh));
    OK(ts_param_set_init(&set, dev));
    OK(ts_param_add(&set, "other", 7, 3, true, &other));
    OK(ts_param_add(&set, "qkv.weight", ROWS, COLS, true, &w));
    OK(ts_param_add(&set, "qkv.bias", ROWS, 0, false, &b));
    w->bands = b->bands = bands;
    OK(ts_param_set_keep_tops(&set));
    OK(ts_param_set_allocate(&set, TS_DTYPE_F32));
    assert_true(set.n_tops == GROUPS * QUERIES && !other->tops && w->tops && b->tops == w->tops);
    ts_qk_clip_begin(&set);
    OK(ts_qk_clip_share(&set, mesh, &most));
    assert_true(most == -INFINITY);
    memcpy(w->tops, tops, sizeof tops);
    for (int i = 0; i < ROWS * COLS; i++)
        ((float *)w->value)[i] = (float)begun(i);
    for (int i = 0; i < ROWS; i++)
        ((float *)b->value)[i] = (float)begun(i);
    const unsigned version = w->version;
    OK(ts_qk_clip_share(&set, mesh, &most));
    assert_true(most == 400);
    OK(ts_qk_clip_apply(&set, &o));
    assert_true(w->version != version);
    for (int i = 0; i < ROWS * COLS; i++) {
        const int row = i / COLS, band = band_of(row);
        const double by = band == 2 ? 1 : pow(eta[row / GROUP], band ? 0.75 : 0.25), want = begun(i) * by;
        assert_true(fabs((double)((float *)w->value)[i] - want) <= want * 0x1p-22);
        if (i % COLS == 0)
            assert_true(fabs((double)((float *)b->value)[row] - begun(row) * by) <= begun(row) * 0x1p-22);
    }
    ts_param_set_deinit(&set);
    ts_mesh_destroy(&mesh);
    ts_comm_destroy(&comm);
    ts_device_close(&dev);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows_are_scaled) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
