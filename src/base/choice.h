/* Words that a user chooses from and the enum that numbers them, made from one list so that they
 * cannot differ:
 *     #define TS_LOADERS(W) W(TS_LOADER_SINGLE, "single") W(TS_LOADER_CYCLIC, "cyclic,loop")
 *     typedef enum ts_loader { TS_LOADERS(TS_CHOICE_VALUE) } ts_loader;
 * and TS_CHOICES(TS_LOADERS) is "single|cyclic,loop": a word may have several spellings, of which
 * the first is shown. Where the enum stands elsewhere,
 *     enum { LIST(TS_CHOICE_ORDER) };
 *     LIST(TS_CHOICE_CHECK)
 * in a source compiles only while its order is the list's. */
#ifndef TS_BASE_CHOICE_H
#define TS_BASE_CHOICE_H

#define TS_CHOICE_VALUE(value_, words_) value_,
#define TS_CHOICE_WORD(value_, words_) "|" words_
#define TS_CHOICES(list_) (&(list_(TS_CHOICE_WORD))[1])
#define TS_CHOICE_ORDER(value_, words_) value_##_AT,
#define TS_CHOICE_CHECK(value_, words_) _Static_assert((int)value_##_AT == (int)value_, words_);

/* Spellings of element types: Megatron-LM's and Hugging Face's. */
#define TS_WORDS_FP32 "fp32,float32,float,torch.float32"
#define TS_WORDS_BF16 "bf16,bfloat16,torch.bfloat16"
#define TS_WORDS_FP16 "fp16,float16,half,torch.float16"
#endif
