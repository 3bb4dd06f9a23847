#include "data/instruct/writer.h"

#include "io/bad_records.h"
#include "text/chat/hf_encoder.h"
#include "text/chat/template.h"

#define GROUP "conversations"
#define ROW(type, field, name, def, help)                                                                          \
    TS_ROW_IS(TS_OPTION_DECIDES, type, ts_chat_options, field, name, def, 0, 0, NULL, GROUP, help)
const ts_option ts_chat_option_rows[] = {
    TS_CHAT_STYLE_ROWS(TS_OPTION_DECIDES, ts_chat_options, style, GROUP),
    ROW(FLAG, mask_history, "mask-history", NULL, "train on the last answer of a conversation only"),
    ROW(TEXT, map_keys, "map-keys", NULL,
        "which field of a record is what, as JSON: {\"prompt\": \"question\", \"query\": \"\", \"response\": \"answer\"}, or "
        "{\"messages\": \"talk\", \"tags\": {\"role_tag\": \"who\", ...}} (told by its content)"),
    ROW(LIST, dataset, "dataset", NULL,
        "entries of LLaMA-Factory's dataset_info.json in --dataset-dir (a,b or a b), in place of --data-path"),
    TS_ROW_IS(TS_OPTION_DECIDES | TS_OPTION_PLACE, TEXT, ts_chat_options, dataset_dir, "dataset-dir", "data", 0, 0,
              NULL, GROUP, "the folder of dataset_info.json and its files"),
    TS_ROW_IS(TS_OPTION_DECIDES, INT, ts_chat_options, max_samples, "max-samples", "0", 0, INT32_MAX, NULL, GROUP,
              "of each file no more samples than so many, the first ones (0: all)"),
    ROW(FLAG, pack, "pack", NULL,
        "as many conversations in a row of --seq-length tokens as fit whole, the longest first, each where it leaves the least "
        "room; with --neat-pack --reset-attention-mask they do not see each other and positions restart"),
    ROW(FLAG, pack, "packing", NULL, "as --pack"),
    { .name = "on-bad-record",
      .type = TS_OPTION_CHOICE,
      .offset = offsetof(ts_chat_options, on_bad_record),
      .def = "stop",
      .is = TS_OPTION_DECIDES,
      .choices = TS_CHOICES(TS_ON_BAD_RECORD),
      .group = GROUP,
      .help = "a record that cannot be read: stop, or leave it out, name it and count it" },
};
const size_t ts_chat_option_count = sizeof ts_chat_option_rows / sizeof *ts_chat_option_rows;

#define RECORDS                                                                                                    \
    "conversations, which `tessera posttrain` trains on; this command trains on the tokens of --data-path"
const ts_option ts_chat_later_rows[] = {
    TS_LATER("hf-chat-template", 0, NULL, RECORDS),
    TS_LATER("prompt-type", 1, "empty", RECORDS),
    TS_LATER("prompt-type-path", 1, NULL, RECORDS),
    TS_LATER("enable-thinking", 1, "none", RECORDS),
    TS_LATER("reasoning-effort", 1, "none", RECORDS),
    TS_LATER("drop-thinking", 1, "true", RECORDS),
    TS_LATER("mask-history", TS_OPTION_ANY, "false|False", RECORDS),
    TS_LATER("pack", TS_OPTION_ANY, "false|False", RECORDS),
    TS_LATER("packing", TS_OPTION_ANY, "false|False", RECORDS),
    TS_LATER("map-keys", 1, NULL, RECORDS),
    TS_LATER("max-samples", 1, NULL, RECORDS),
    TS_LATER("dataset", TS_OPTION_MANY, NULL, RECORDS),
    TS_HINT("dataset-dir", 1, "--data-path PREFIX, of files that `tessera preprocess` makes"),
};
const size_t ts_chat_later_count = sizeof ts_chat_later_rows / sizeof *ts_chat_later_rows;

ts_status ts_chat_tokenizer_open(const char *folder, const ts_text_options *text, ts_text_tokenizer *out)
{
    ts_text_options own = *text; /* the tokens that it gets beside its own count */
    own.type = "PretrainedFromHF", own.name_or_path = folder;
    const bool given = ts_text_options_given(text);
    if (!given && !folder)
        return ts_error(TS_ERR_USER, "texts need a tokenizer: --tokenizer-name-or-path FOLDER");
    TS_TRY(ts_text_tokenizer_open(given ? text : &own, out));
    return out->tok ? TS_OK : ts_error(TS_ERR_USER, "texts need a tokenizer of texts, not NullTokenizer");
}

ts_status ts_chat_encoder_open(const ts_chat_style *o, const char *folder, const ts_text_options *text,
                               ts_text_tokenizer *tok, ts_chat_encoder **out)
{
    const char *own = text->name_or_path;
    const bool has = folder && ts_chat_template_is_in(folder);
    if (o->hf_chat_template && o->prompt.type)
        return ts_error(TS_ERR_USER, "--hf-chat-template and --prompt-type: conversations are written in one way");
    if (o->prompt.type)
        return ts_prompt_encoder_create(&o->prompt, tok, out);
    if (!o->hf_chat_template)
        return ts_error(TS_ERR_USER, "how are conversations written? --hf-chat-template takes the template of the "
                                     "model's folder, --prompt-type NAME one of MindSpeed LLM's");
    if (!folder && !own)
        return ts_error(TS_ERR_USER, "--hf-chat-template: no folder is given that could hold a template (--load, "
                                     "--tokenizer-name-or-path)");
    return ts_chat_hf_encoder_create(has || !own ? folder : own, o->chat_template, o->template_now, tok->tok, out);
}

ts_status ts_chat_writer_open(const ts_chat_options *o, const char *folder, const ts_text_options *text,
                              ts_chat_writer *out)
{
    *out = (ts_chat_writer){ 0 };
    TS_TRY(ts_chat_tokenizer_open(folder, text, &out->tok));
    const ts_status st = ts_chat_encoder_open(&o->style, folder, text, &out->tok, &out->encoder);
    if (st != TS_OK)
        ts_chat_writer_close(out);
    return st;
}

void ts_chat_writer_close(ts_chat_writer *w)
{
    ts_chat_encoder_destroy(&w->encoder);
    ts_text_tokenizer_close(&w->tok);
}
