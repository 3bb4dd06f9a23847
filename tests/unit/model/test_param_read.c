/* A parameter's share out of the whole tensor in a file, whatever the cut: the values are those of the
 * share's own numbers in the whole, and so are moments. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "device/isa.h"
#include "io/st_write.h"
#include "model/param_read.h"

enum { ROWS = 24, COLS = 10, DEEP = 3 };

typedef struct rig {
    temp t;
    ts_device *dev;
    ts_st_dir *dir;
    const ts_st_tensor *matrix, *cube;
} rig;

static float value_of(int64_t number) { return (float)number * 0.5f - 7; }

static void open_rig(rig *r)
{
    static const int64_t matrix[] = { ROWS, COLS }, cube[] = { DEEP, ROWS, COLS };
    float v[DEEP * ROWS * COLS];
    ts_st_writer *w;
    *r = (rig){ 0 };
    temp_make(&r->t);
    for (int i = 0; i < DEEP * ROWS * COLS; i++)
        v[i] = value_of(i);
    OK(ts_st_writer_create(temp_path(&r->t, "model.safetensors"), &w));
    OK(ts_st_writer_add(w, "cube", TS_ST_F32, 3, cube));
    OK(ts_st_writer_add(w, "matrix", TS_ST_F32, 2, matrix));
    OK(ts_st_writer_begin(w));
    OK(ts_st_writer_put(w, 0, 0, v, sizeof v));
    OK(ts_st_writer_put(w, 1, 0, v, sizeof v / DEEP));
    OK(ts_st_writer_finish(w));
    ts_st_writer_destroy(&w);
    OK(ts_st_dir_open(r->t.dir, NULL, &r->dir));
    r->matrix = ts_st_dir_find(r->dir, "matrix"), r->cube = ts_st_dir_find(r->dir, "cube");
    assert_true(r->matrix && r->cube);
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &r->dev));
}

static void close_rig(rig *r)
{
    ts_device_close(&r->dev);
    ts_st_dir_destroy(&r->dir);
    temp_remove(&r->t);
}

/* Reads the share that `place` says; first, last: numbers in the whole of its first and last element. */
static void read_share(rig *r, const ts_place *place, const ts_st_tensor *t, int64_t first,
                       int64_t last)
{
    ts_param_set set;
    ts_param *p;
    uint16_t half[DEEP * ROWS * COLS];
    OK(ts_param_set_init(&set, r->dev));
    OK(ts_param_declare(&set, "w", place, true, &p));
    OK(ts_param_set_allocate(&set, TS_DTYPE_F32));
    OK(ts_param_read_values(p, t));
    OK(ts_param_read(p, t, half, false, TS_DTYPE_BF16));
    const int64_t n = ts_param_count(p);
    const float *v = p->value;
    assert_int_equal(n, ts_place_count(place));
    for (int64_t i = 0; i < n; i++) {
        int64_t number;
        assert_true(ts_place_run(place, i, &number) >= 1);
        assert_true(v[i] == value_of(number));
        assert_int_equal(half[i], ts_f32_to_bf16(value_of(number)));
    }
    assert_true(v[0] == value_of(first) && v[n - 1] == value_of(last));
    ts_param_set_deinit(&set);
}

static void shares_of_a_file(void **state)
{
    (void)state;
    rig r;
    open_rig(&r);
    ts_place p = ts_place_whole(ROWS, COLS);
    read_share(&r, &p, r.matrix, 0, ROWS * COLS - 1);
    /* rows of gate and up, the second of two shares: 6..11 and 18..23 */
    ts_place_cut_even(&p, 0, TS_AXIS_TENSOR, 2, 1, 2, 1);
    read_share(&r, &p, r.matrix, 6 * COLS, ROWS * COLS - 1);
    /* columns, the first of three shares, in units of two: 0..3 */
    p = ts_place_whole(ROWS, COLS);
    ts_place_cut_even(&p, 1, TS_AXIS_TENSOR, 3, 0, 1, 2);
    read_share(&r, &p, r.matrix, 0, (ROWS - 1) * COLS + 3);
    /* three dimensions, two of them cut: the last of three experts, the last columns */
    p = (ts_place){ .rank = 3, .dim = { { .whole = DEEP }, { .whole = ROWS }, { .whole = COLS } } };
    ts_place_cut_even(&p, 0, TS_AXIS_EXPERT, 3, 2, 1, 1);
    ts_place_cut_even(&p, 2, TS_AXIS_TENSOR, 2, 1, 1, 1);
    read_share(&r, &p, r.cube, 2 * ROWS * COLS + COLS / 2, DEEP * ROWS * COLS - 1);
    close_rig(&r);
}

static void other_shapes_are_refused(void **state)
{
    (void)state;
    rig r;
    ts_param_set set;
    ts_param *p;
    open_rig(&r);
    ts_place place = ts_place_whole(2 * ROWS, COLS); /* whose share would fit */
    ts_place_cut_even(&place, 0, TS_AXIS_TENSOR, 2, 0, 1, 1);
    OK(ts_param_set_init(&set, r.dev));
    OK(ts_param_declare(&set, "w", &place, true, &p));
    OK(ts_param_set_allocate(&set, TS_DTYPE_F32));
    assert_int_equal(ts_param_read_values(p, r.matrix), TS_ERR_USER);
    assert_non_null(strstr(ts_error_message(), "matrix has shape [24, 10], the model's options say "
                                               "[48, 10]"));
    assert_int_equal(ts_param_read_values(p, r.cube), TS_ERR_USER);
    ts_param_set_deinit(&set);
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_of_a_file),
        cmocka_unit_test(other_shapes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
