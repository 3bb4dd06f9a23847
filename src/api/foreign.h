/* Names of LLaMA-Factory, Hugging Face's TrainingArguments, TRL and MindSpeed LLM's YAML trainer in files of options,
 * and what they are here. */
#ifndef TS_API_FOREIGN_H
#define TS_API_FOREIGN_H
#include "base/option_foreign.h"

extern const ts_foreign_table ts_foreign_names;

/* Keys that are read together with others of their file (foreign_made.c). */
ts_status ts_foreign_pref_loss(ts_option_file *f, const ts_option_key *k);
ts_status ts_foreign_pref_beta(ts_option_file *f, const ts_option_key *k);
ts_status ts_foreign_simpo_gamma(ts_option_file *f, const ts_option_key *k);
ts_status ts_foreign_label_smoothing(ts_option_file *f, const ts_option_key *k);
ts_status ts_foreign_finetuning_type(ts_option_file *f, const ts_option_key *k);
ts_status ts_foreign_use_peft(ts_option_file *f, const ts_option_key *k);
ts_status ts_foreign_freeze_part(ts_option_file *f, const ts_option_key *k);
ts_status ts_foreign_output_dir(ts_option_file *f, const ts_option_key *k);
ts_status ts_foreign_deepspeed(ts_option_file *f, const ts_option_key *k);
ts_status ts_foreign_val_size(ts_option_file *f, const ts_option_key *k);
ts_status ts_foreign_report_to(ts_option_file *f, const ts_option_key *k);
ts_status ts_foreign_lr_scheduler_kwargs(ts_option_file *f, const ts_option_key *k);
ts_status ts_foreign_warmup_steps(ts_option_file *f, const ts_option_key *k);
ts_status ts_foreign_epochs(ts_option_file *f, const ts_option_key *k);
/* What LLaMA-Factory has where a file of its own says nothing. */
ts_status ts_foreign_defaults(ts_option_file *f);
#endif
