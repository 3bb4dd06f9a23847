/* The user's view of `tessera checkpoint`: output, messages, exit codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/output.h"
#include "ckpt_make.h"

#include <sys/wait.h>
#include <unistd.h>

static char text[1 << 16];

/* Runs the command with stderr in the same stream unless `more` sends it elsewhere; returns the
 * exit code, the output is in text. */
static int tessera(const char *args, const char *dir, const char *more)
{
    char line[512];
    snprintf(line, sizeof line, "%s checkpoint %s %s %s%s", TESSERA_PROGRAM, args, dir, more,
             strstr(more, "2>") ? "" : " 2>&1");
    FILE *f = popen(line, "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    const int status = pclose(f);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#define SAYS(part)                                                                                 \
    do {                                                                                           \
        if (!strstr(text, part))                                                                   \
            fail_msg("no \"%s\" in: %s", part, text);                                              \
    } while (0)

static json_t *parsed(void)
{
    json_t *v = NULL;
    OK(ts_json_parse(text, strlen(text), "output", &v));
    return v;
}

static void save(const char *dir)
{
    ts_checkpointer *c = NULL;
    OK(ts_checkpointer_create(&(ts_ckpt_options){ .dir = dir }, NULL, &c));
    for (int64_t i = 10; i <= 30; i += 10)
        OK(make_save(c, i, false));
    ts_checkpointer_destroy(&c);
}

static void flip(const char *path, long at)
{
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    fseek(f, at, SEEK_SET);
    const int was = fgetc(f);
    fseek(f, at, SEEK_SET);
    fputc(was ^ 4, f);
    fclose(f);
}

static void own(void **state)
{
    (void)state;
    temp t;
    temp_make(&t);
    save(t.dir);
    assert_int_equal(tessera("verify", t.dir, ""), 0);
    SAYS("iter_0000030: good (5 files");
    assert_null(strstr(text, "iter_0000020"));
    assert_int_equal(tessera("verify --all", t.dir, ""), 0);
    SAYS("iter_0000010: good");
    assert_int_equal(tessera("list", t.dir, ""), 0);
    SAYS("30*");
    assert_int_equal(tessera("show", t.dir, "--ckpt-step 20"), 0);
    SAYS("consumed_samples: 160");
    SAYS("[17, 16]");
    assert_int_equal(tessera("show --json", t.dir, ""), 0);
    json_t *v = parsed();
    assert_int_equal(json_integer_value(json_object_get(v, "iteration")), 30);
    assert_int_equal(json_array_size(json_object_get(v, "tensors")), MAKE_TENSORS);
    json_decref(v);
    flip(temp_path(&t, "iter_0000030/model-00001-of-00001.safetensors"), 3000);
    assert_int_equal(tessera("verify", t.dir, ""), 2);
    SAYS("damaged: bit 2 of byte 3000 is flipped, in tensor model.layers.");
    SAYS("iter_0000020: good");
    assert_int_equal(tessera("verify", t.dir, "--json 2>/dev/null"), 2);
    v = parsed();
    const json_t *damage = json_array_get(json_object_get(v, "damages"), 0);
    assert_true(json_is_false(json_object_get(v, "good")));
    assert_int_equal(json_integer_value(json_object_get(damage, "byte")), 3000);
    json_decref(v);
    assert_int_equal(tessera("verify", t.dir, "--ckpt-step 20"), 0);
    assert_int_equal(tessera("verify", temp_path(&t, "iter_0000030"), ""), 2);
    assert_int_equal(tessera("list", t.dir, "--json"), 0);
    v = parsed();
    assert_true(json_is_false(
        json_object_get(json_array_get(json_object_get(v, "checkpoints"), 0), "good")));
    assert_true(json_is_true(
        json_object_get(json_array_get(json_object_get(v, "checkpoints"), 1), "good")));
    json_decref(v);
    temp_write(&t, "latest_checkpointed_iteration.txt", "2x\n", 3);
    assert_int_equal(tessera("verify", t.dir, ""), 2);
    SAYS("does not hold the number of an iteration");
    temp_remove(&t);
}

static void mistakes(void **state)
{
    (void)state;
    temp t;
    temp_make(&t);
    assert_int_equal(tessera("", "", ""), 2);
    assert_int_equal(tessera("look", t.dir, ""), 2);
    SAYS("expected verify, list or show");
    assert_int_equal(tessera("verify", "/no/such/folder", ""), 2);
    SAYS("there is no such folder");
    assert_int_equal(tessera("verify", t.dir, ""), 2);
    SAYS("is no folder of checkpoints");
    assert_int_equal(tessera("list", t.dir, ""), 2);
    SAYS("holds no checkpoint");
    assert_int_equal(tessera("verify --jsn", t.dir, ""), 2);
    SAYS("--json");
    temp_remove(&t);
}

static void copy(const char *from, const char *to)
{
    ts_str bytes = { 0 };
    OK(ts_file_read(from, &bytes));
    OK(ts_file_write_atomic(to, bytes.s, bytes.len));
    ts_str_deinit(&bytes);
}

/* A Hugging Face folder against its config. */
static void hugging_face(void **state)
{
    (void)state;
    static const char from[] = "../shared/data/models/stories260K/hf";
    temp t;
    char path[256];
    if (!ts_path_exists(from)) {
        print_message("skipped: %s is not there\n", from);
        skip();
    }
    temp_make(&t);
    snprintf(path, sizeof path, "%s/model.safetensors", from);
    copy(path, temp_path(&t, "model.safetensors"));
    assert_int_equal(tessera("verify", t.dir, ""), 2);
    SAYS("config.json");
    snprintf(path, sizeof path, "%s/config.json", from);
    copy(path, temp_path(&t, "config.json"));
    assert_int_equal(tessera("verify", t.dir, ""), 0);
    SAYS("names and shapes are those of config.json");
    assert_int_equal(tessera("show", t.dir, ""), 0);
    SAYS("model.embed_tokens.weight");
    ts_str config = { 0 };
    OK(ts_file_read(temp_path(&t, "config.json"), &config));
    char *p = strstr(config.s, "\"num_hidden_layers\": ");
    assert_non_null(p);
    p += strlen("\"num_hidden_layers\": ");
    const char was = *p;
    *p = (char)(was + 1);
    OK(ts_file_write_atomic(temp_path(&t, "config.json"), config.s, config.len));
    assert_int_equal(tessera("verify", t.dir, ""), 2);
    SAYS("is missing");
    *p = (char)(was - 1);
    OK(ts_file_write_atomic(temp_path(&t, "config.json"), config.s, config.len));
    assert_int_equal(tessera("verify", t.dir, ""), 2);
    SAYS("belongs to no part of the model");
    *p = was;
    p = strstr(config.s, "\"intermediate_size\": ");
    assert_non_null(p);
    p[strlen("\"intermediate_size\": ")]++;
    OK(ts_file_write_atomic(temp_path(&t, "config.json"), config.s, config.len));
    assert_int_equal(tessera("verify --json", t.dir, "2>/dev/null"), 2);
    SAYS("but config.json means [");
    ts_str_deinit(&config);
    assert_int_equal(truncate(temp_path(&t, "model.safetensors"), 5000), 0);
    assert_int_equal(tessera("verify", t.dir, ""), 2);
    SAYS("model.safetensors");
    temp_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own), cmocka_unit_test(mistakes), cmocka_unit_test(hugging_face),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
