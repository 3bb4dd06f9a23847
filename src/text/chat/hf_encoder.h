/* Conversations by the chat template of a model's folder. */
#ifndef TS_TEXT_CHAT_HF_ENCODER_H
#define TS_TEXT_CHAT_HF_ENCODER_H
#include "text/chat/encoder.h"
#include "text/tokenizer.h"

/* The rendering is tokenized once, whole, without special ids put around it. With {% generation %} blocks their
 * tokens are trained, those that are there in part included, as transformers' return_assistant_tokens_mask has it.
 * Without, of each assistant message k the tokens that begin inside the rendering of messages[..k] and behind that of
 * messages[..k-1] with the beginning of an answer; each must be how the next one begins, else TS_ERR_USER.
 *
 * folder, file, now: as ts_chat_template_open has them. tok is borrowed while the encoder lives. */
ts_status ts_chat_hf_encoder_create(const char *folder, const char *file, const char *now, const ts_tokenizer *tok,
                                    ts_chat_encoder **out) TS_NODISCARD;
#endif
