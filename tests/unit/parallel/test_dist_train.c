/* The file that places a model's networks on processes: what is read of it, and what is said of a wrong one. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "parallel/dist_train.h"

#include <string.h>

static const char *const names[] = { "vit", "gpt" };
static temp folder;

static ts_status read_text(const char *text, const char *file, int n, int64_t world, ts_dist_train *out)
{
    temp_write(&folder, file, text, strlen(text));
    const char *path = temp_path(&folder, file);
    const ts_parallel_options o = { .dist_train = true, .dist_config = path };
    return ts_dist_train_read(&o, names, n, world, out);
}

#define VIT "{\"name\": \"vit\", \"model_index\": 0, \"world_size\": 2, \"tensor_model_parallel_size\": 2}"
#define GPT "{\"name\": \"gpt\", \"model_index\": 1, \"world_size\": 4, \"pipeline_model_parallel_size\": 2, " \
            "\"context_parallel_size\": 2, \"main_dp\": true}"

static void expect_pair(const ts_dist_train *d)
{
    assert_int_equal(d->n, 2);
    assert_string_equal(d->network[0].name, "vit");
    assert_int_equal(d->network[0].processes, 2);
    assert_int_equal(d->network[0].tensor, 2);
    assert_int_equal(d->network[0].context, 1);
    assert_int_equal(d->network[1].pipeline, 2);
    assert_int_equal(d->network[1].context, 2);
    assert_false(d->network[0].forward_only || d->network[1].forward_only);
}

/* MindSpeed's object, or the list alone, in either form; the order is that of model_index. */
static void forms(void **state)
{
    (void)state;
    ts_dist_train d;
    OK(read_text("{\"dist_config\": {\"model_name\": \"internvl2\", \"use_multiparam_send_recv\": false, "
                 "\"model_config\": [" VIT ", " GPT "]}}", "model.json", 2, 6, &d));
    expect_pair(&d);
    OK(read_text("[" GPT ", " VIT "]", "list.json", 2, 6, &d));
    expect_pair(&d);
    OK(read_text("model_config:\n- name: vit\n  model_index: 0\n  world_size: 2\n  tensor_model_parallel_size: 2\n"
                 "- name: gpt\n  model_index: 1\n  world_size: 4\n  pipeline_model_parallel_size: 2\n"
                 "  context_parallel_size: 2\n", "list.yaml", 2, 6, &d));
    expect_pair(&d);
    const ts_mesh_shape s = ts_dist_network_shape(&d.network[1], &(ts_parallel_options){ 0 });
    assert_true(s.tp == 1 && s.cp == 2 && s.pp == 2 && !s.pp_before_dp);
    OK(read_text("[{name: vit, model_index: 0, world_size: 3, forward_only: true}, "
                 "{name: gpt, model_index: 1, world_size: 3}]", "frozen.yaml", 2, 6, &d));
    assert_true(d.network[0].forward_only);
    OK(ts_dist_train_read(&(ts_parallel_options){ 0 }, names, 2, 6, &d));
    assert_int_equal(d.n, 0);
}

static void refuse(const char *list, int n, int64_t world, const char *says)
{
    ts_dist_train d;
    REFUSED(read_text(list, "wrong.json", n, world, &d), TS_ERR_USER, says);
    assert_non_null(strstr(ts_error_message(), "--dist-train-config"));
}

static void wrong_files(void **state)
{
    (void)state;
    ts_dist_train d;
    refuse("{}", 2, 6, "expected a list of networks");
    refuse("[1, 2]", 2, 6, "expected a list of networks");
    refuse("[" VIT "]", 2, 2, "has 1 networks, and the model 2");
    refuse("[" VIT ", " VIT "]", 2, 4, "two networks have the model_index 0");
    refuse("[" VIT ", {\"name\": \"gpt\", \"model_index\": 1}]", 2, 6, "has no name, model_index or world_size");
    refuse("[" VIT ", {\"name\": \"gpt\", \"index\": 1}]", 2, 6, "index is not known of a network; there are name");
    refuse("[" VIT ", {\"name\": \"dit\", \"model_index\": 1, \"world_size\": 1}]", 2, 3,
           "the network dit stands where the model has gpt");
    refuse("[" VIT ", {\"name\": \"gpt\", \"model_index\": 1, \"world_size\": 3, \"context_parallel_size\": 2}]", 2, 5,
           "gpt has a world_size of 3, which tensor_model_parallel_size 1 times");
    refuse("[" VIT ", {\"name\": \"gpt\", \"model_index\": 1, \"world_size\": 2}]", 2, 4,
           "vit shares out the batch over 1 replicas and gpt over 2");
    refuse("[" VIT ", " GPT "]", 2, 8, "is 6 together, and there are 8 processes");
    refuse("[" VIT ", {\"name\": \"gpt\", \"model_index\": 1, \"world_size\": 1, \"forward_only\": true}]", 2, 3,
           "gpt, the last network, is forward_only");
    refuse("[{\"name\": \"vit\", \"model_index\": 0, \"world_size\": 1, \"main_dp\": true}, "
           "{\"name\": \"gpt\", \"model_index\": 1, \"world_size\": 1, \"main_dp\": true}]", 2, 2,
           "main_dp is true of more than one");
    REFUSED(ts_dist_train_read(&(ts_parallel_options){ .dist_train = true }, names, 2, 6, &d), TS_ERR_USER,
            "--dist-train-config is missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(forms), cmocka_unit_test(wrong_files) };
    temp_make(&folder);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    temp_remove(&folder);
    return failed;
}
