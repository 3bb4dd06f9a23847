#include "ckpt/manifest.h"
#include "ckpt/names.h"
#include "config_rows.h"
#include "fuzz.h"
#include "json_mutate.h"
#include "text/tokenizer_files.h"
#include "train/resume.h"

#include <sys/stat.h>

/* The fuzzed state in a checkpoint whose sums are right. */
static void make_checkpoint(const uint8_t *data, size_t size)
{
    static bool made;
    char path[FUZZ_PATH];
    if (!made && (mkdir(fuzz_path("run", path), 0700) != 0 ||
                  mkdir(fuzz_path("run/iter_0000001", path), 0700) != 0))
        abort();
    made = true;
    const ckpt_manifest m = { .iteration = 1, .sequence = 1, .world_size = 1, .chunk = CKPT_CHUNK,
                              .saved_at = "2026-01-31T12:00:00Z" };
    ckpt_sums sums = { 0 };
    ts_str entries = { 0 }, text = { 0 };
    if (ckpt_sums_add(&sums, data, size) != TS_OK || ckpt_sums_finish(&sums) != TS_OK ||
        ckpt_manifest_entry(&entries, CKPT_STATE, &sums) != TS_OK ||
        ckpt_manifest_text(&m, ts_str_text(&entries), &text) != TS_OK)
        abort();
    fuzz_write("run/" CKPT_TRACKER, "1\n", 2);
    fuzz_write("run/iter_0000001/" CKPT_STATE, data, size);
    fuzz_write("run/iter_0000001/" CKPT_MANIFEST, text.s, text.len);
    ts_str_deinit(&sums.hex);
    ts_str_deinit(&entries);
    ts_str_deinit(&text);
}

static bool is_small(const ts_checkpoint *ck)
{
    const ts_family *family;
    json_t *config;
    ts_arch a;
    ts_arch_init(&a);
    const ts_status st = ts_checkpoint_describe(ck, &family, &a, &config);
    const bool small = st == TS_OK && a.n_layers <= 16;
    if (st == TS_OK)
        json_decref(config);
    ts_arch_deinit(&a);
    return small;
}

/* The model it describes, made on the device that has no memory. */
static void model(const ts_checkpoint *ck)
{
    static ts_device *dev;
    const ts_device_options d = { .threads = 1 };
    if (!dev && ts_device_open("sim", &d, &dev) != TS_OK)
        abort();
    const ts_model_use use = { .dev = dev, .compute = TS_DTYPE_BF16, .training = true };
    ts_model m;
    if (is_small(ck) && ts_model_from_checkpoint(ck, &use, &m) == TS_OK)
        ts_model_deinit(&m);
}

/* Counters and the loss scale, of a trainer that has nothing else. */
static void counters(const ts_checkpoint *ck)
{
    ts_trainer t = { .scaler = { .dynamic = true, .scale = 1 } };
    if (ts_trainer_restore(&t, ck, false) == TS_OK &&
        (t.iteration != 1 || t.consumed < 0 || t.scheduled < 0 || !(t.scaler.scale > 0)))
        abort();
}

static void options(const ts_checkpoint *ck)
{
    ts_train_options o = { 0 };
    const ts_option_table table = { ts_train_option_rows, ts_train_option_count, &o };
    ts_option_set *set;
    ts_str changes = { 0 };
    if (ts_option_set_create(&table, 1, &set) != TS_OK)
        abort();
    if (ts_checkpoint_option_changes(ck, set, &changes) == TS_ERR_NOMEM)
        abort();
    ts_str_deinit(&changes);
    ts_option_set_destroy(&set);
}

/* The note of the tokenizer names files of the checkpoint and no others. */
static void tokenizer(const ts_checkpoint *ck)
{
    ts_text_options o;
    ts_option_set *set = NULL;
    const json_t *note = json_object_get(ts_checkpoint_state(ck), "tokenizer");
    const char *folder = ts_checkpoint_path(ck);
    const size_t n = strlen(folder);
    if (ts_tokenizer_files_options(note, folder, &o, &set) != TS_OK)
        return;
    const char *const paths[] = { o.name_or_path, o.model, o.vocab_file, o.merge_file };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (paths[i] && strcmp(paths[i], folder) &&
            (strncmp(paths[i], folder, n) || paths[i][n] != '/' || strchr(paths[i] + n + 1, '/')))
            abort();
    ts_option_set_destroy(&set);
}

/* state.json of a checkpoint. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH];
    ts_checkpoint *ck = NULL;
    make_checkpoint(data, size);
    if (ts_checkpoint_open(fuzz_path("run", path), -1, 0, NULL, &ck) != TS_OK) {
        if (!*ts_error_message())
            abort();
        return 0;
    }
    model(ck);
    counters(ck);
    options(ck);
    tokenizer(ck);
    ts_checkpoint_close(&ck);
    return 0;
}

#define COUNTS "[0, 1, 100]"
const fuzz_row fuzz_rows[] = {
    CONFIG_ROWS,
    { "iteration", "[1, 0]", NULL },
    { "consumed_train_samples", COUNTS, NULL },
    { "num_steps", COUNTS, NULL },
    { "optimizer_steps", COUNTS, NULL },
    { "grad_scaler", "[{\"dynamic\": true, \"scale\": 65536.0, \"growth_tracker\": 3,"
                     "\"hysteresis_tracker\": 2}, {\"dynamic\": false, \"scale\": 1}]", NULL },
    { "scale", "[1.0, 0, 1e-300]", NULL },
    { "file_dtype", "[\"F32\", \"BF16\", \"F16\", \"I8\", \"nonsense\"]", NULL },
    { "tokenizer", "[null, {\"options\": {\"tokenizer-model\": \"tokenizer.model\"}, \"bos_token\":"
                   "\"<s>\"}]", NULL },
    { "tokenizer-type", "[\"Llama2Tokenizer\", \"--tokenizer-model\"]", NULL },
    { "tokenizer-model", "[\".\", \"a\", \"../a\"]", NULL },
    { "tokenizer-kwargs", "[[\"eos_token\", \"a\"], [\"--vocab-file\"], []]", NULL },
    { "folder", "[null, \"models/a\"]", NULL },
    { "options", "[{\"seed\": 1, \"lr\": 0.5, \"bf16\": true}, {}]", NULL },
    { "seed", "[1, 1234, \"x\", [1, {}]]", NULL },
    { "lr-decay-style", "[\"cosine\"]", NULL },
    { NULL, NULL, NULL },
};
const char *const fuzz_kinds = NULL;
fuzz_hook *const fuzz_hooks[] = { NULL };
