#include "train/job_samples.h"

#include "train/model_files.h"

ts_status ts_job_open_samples(const ts_job_options *o, const ts_model *m, int64_t global, const ts_data_need *need,
                              ts_tuning_source **out)
{
    ts_tuning_data t = ts_job_tuning_data(o, global);
    ts_text_options text = o->text;
    ts_option_set *set = NULL;
    bool found = true;
    ts_status st = TS_OK;
    if (!ts_text_options_given(&text))
        st = ts_model_tokenizer(m, &text, &set, &found);
    if (st == TS_OK) {
        t.chat = &o->chat;
        t.text = found ? &text : &o->text;
        t.folder = m->folder;
        st = ts_tuning_source_create(&t, &o->data, need, out);
    }
    ts_option_set_destroy(&set);
    return st;
}
