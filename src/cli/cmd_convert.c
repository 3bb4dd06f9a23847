#include "api/words.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/command.h"
#include "convert/convert.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: tessera convert --load-dir DIR --save-dir DIR [options]      (export is another name of it)\n"
    "       tessera convert --load-dir DIR --outfile FILE.gguf --outtype TYPE [options]\n"
    "       tessera convert --lora-merge ADAPTER ADAPTER ... --save-dir DIR [options]\n\n"
    "Writes the Hugging Face folder of a checkpoint: config.json, weights, generation_config.json and the tokenizer.\n"
    "A Hugging Face folder becomes one with another type of weights or other files. --outfile writes a GGUF file. What is read is told by content;\n"
    "memory is that of the largest tensor (--check: of the model).\n"
    "example: tessera convert --load-dir my-run/checkpoints --save-dir my-model --params-dtype bf16 --check";

extern const ts_command ts_cmd_convert, ts_cmd_export;

static ts_status print_json(const ts_convert_options *o, const ts_convert_result *r)
{
    ts_str out = { 0 };
    ts_status st = ts_str_puts(&out, "{\"load_dir\": ");
    if (st == TS_OK)
        st = ts_str_json(&out, ts_convert_from(o), strlen(ts_convert_from(o)));
    if (st == TS_OK)
        st = ts_str_puts(&out, o->outfile ? ", \"outfile\": " : ", \"save_dir\": ");
    if (st == TS_OK)
        st = ts_str_json(&out, ts_convert_to(o), strlen(ts_convert_to(o)));
    if (st == TS_OK)
        st = ts_str_printf(&out, ", \"from\": \"%s\", \"architecture\": ", r->from);
    if (st == TS_OK)
        st = ts_str_json(&out, r->architecture, strlen(r->architecture));
    if (st == TS_OK && r->iteration >= 0)
        st = ts_str_printf(&out, ", \"iteration\": %lld", (long long)r->iteration);
    if (st == TS_OK)
        st = ts_str_printf(&out, ", \"tensors\": %lld, \"bytes\": %lld", (long long)r->tensors,
                           (long long)r->bytes);
    if (st == TS_OK && r->checked)
        st = ts_str_printf(&out, ", \"largest_difference\": %.9g, \"largest_logit\": %.9g",
                           r->difference, r->largest_logit);
    if (st == TS_OK)
        printf("%s}\n", ts_str_text(&out));
    ts_str_deinit(&out);
    return st;
}

static void print(const ts_convert_options *o, const ts_convert_result *r)
{
    char size[32], from[48] = "";
    if (r->iteration >= 0)
        snprintf(from, sizeof from, ", iteration %lld", (long long)r->iteration);
    printf("%s: %s, %lld tensors, %s, from %s%s\n", ts_convert_to(o), r->architecture,
           (long long)r->tensors, ts_human_bytes((double)r->bytes, size), ts_convert_from(o), from);
    if (r->checked)
        printf("largest difference of logits: %.3g (of %.3g)\n", r->difference, r->largest_logit);
}

static ts_status run_as(const ts_command *cmd, int argc, char *const *argv)
{
    ts_convert_options o = { 0 };
    ts_convert_result r = { 0 };
    const ts_option_table tables[] = { { ts_convert_rows, ts_convert_count_rows, &o } };
    ts_option_set *set;
    bool helped;
    TS_TRY(ts_command_options(cmd, usage, tables, 1, argc, argv, &set, &helped));
    if (helped)
        return TS_OK;
    ts_words_log_notes(set);
    ts_convert_warn(&o, set);
    ts_status st = ts_convert_run(&o, &r);
    if (st == TS_OK && o.json)
        st = print_json(&o, &r);
    else if (st == TS_OK)
        print(&o, &r);
    ts_option_set_destroy(&set);
    return st;
}

static ts_status run(int argc, char *const *argv) { return run_as(&ts_cmd_convert, argc, argv); }
static ts_status run_export(int argc, char *const *argv)
{
    return run_as(&ts_cmd_export, argc, argv);
}

const ts_command ts_cmd_convert = { "convert", "checkpoints and Hugging Face folders into other forms",
                                    run };
const ts_command ts_cmd_export = { "export", "another name of convert", run_export };
