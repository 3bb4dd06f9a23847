#!/usr/bin/env python3
"""Makes tests/golden/text: small tokenizers of our own and what the reference libraries do with them.

Every folder has the tokenizer and cases.jsonl, a line a text: text, ids, special (ids with special tokens),
decoded, skipped (decoded without special tokens). The texts are below. Needs the packages tokenizers and
sentencepiece. Arguments: the folders to make (all); training breaks ties by chance, so the others change.
"""
import io
import json
import pathlib
import random
import sys

import sentencepiece
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors,
                        trainers)

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "text"

CORPUS = """The quick brown fox jumps over the lazy dog. It's the dog's turn, isn't it? They'll see; we've seen.
In 1995 there were 1,234,567 foxes and 89 dogs -- that is 50% more than before (see https://example.org/a?b=c).
def parse(x, y=None):\n    return [i for i in range(x) if i != y]\n\n\n# a comment\tand a tab
Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. L'été, le garçon naïf a mangé où ça?
Съешь же ещё этих мягких французских булок, да выпей чаю. Η γρήγορη καφέ αλεπού πηδάει ΣΑΣ.
敏捷的棕色狐狸跳过了懒狗。素早い茶色の狐はのろまな犬を飛び越える。빠른 갈색 여우가 게으른 개를 뛰어넘는다.
السلام عليكم ورحمة الله. नमस्ते दुनिया, क्षमा कीजिए। สวัสดีชาวโลก
""".split("\n") * 4

TEXTS = ["", " ", "  ", "\n", "a", "The quick brown fox", " leading", "trailing  ", "two  blanks   three", "\tTab\n\nlines\r\n x",
         "don't DON'T we'll I'm they'd", "1234567 3.14 ½ ² Ⅷ ١٢٣", "naïve café", "cafe\u0301 n\u0303", "ÀÉÎÕÜ ßẞ İI ΣΑΣ ǅ", "ﬁ ﬂ ㎏ ① Ａｂｃ ｶﾞ",
         "你好，世界！", "日本語のテキスト", "한국어 텍스트 \u1112\u1161\u11ab", "مرحبا بالعالم", "नमस्ते क्षि", "สวัสดี", "👍🏽 👨‍👩‍👧 🇩🇪 ❤️",
         "a\u200bb\u200dc\ufeffd", "x\u00a0y\u3000z\u2028w\u0085v", "nul\x00 bell\x07 del\x7f", "<s>text</s>", "a<mask>b", "a <mask> b", "[SEP][CLS] x",
         "<pad><pad>", "foo<tok>bar <tok> baz", "wordtok tok tokword tok.", "▁ ▁▁ a▁b", "##ing Ġx Ċ </w>", "<0x41><0xE2>", "snake_case camelCase HTTPServer",
         "!?.,;:-_'\"()[]{}@#$%^&*", "https://example.org/a?b=c&d=e#f", "a" * 120, "ab" * 60, " " * 30, "\n" * 9 + "x", "z̵̡̢͈͓a̷͜l̶̛g̸̢o̴͘", "\u0378\U0001f9ff\U00016ea0",
         "e\u0323\u0301 a\u0301\u0323", "Ω Å K ﷺ", "In 1995 there were 1,234,567 foxes", "return [i for i in range(x)]", "the the the", "tok", "x tok", "<tok>"]


def random_texts(n, seed):
    r = random.Random(seed)
    pools = ["abcdefghij THE'st", "äöüéñçÀ\u0301\u0308", "абвгд", "日本語中文ひらカタ", "한국가각", "0123456789½²", " \t\n\r\u00a0\u3000", ".,!?-_<>[]()", "👍❤️🏽\u200d", "ابتثकखग\u094dกขค"]
    return ["".join(r.choice(r.choice(pools)) for _ in range(r.randint(1, 40))) for _ in range(n)]


def special(t, **k):
    return AddedToken(t, special=True, normalized=False, **k)


def bpe(vocab, name, bytes_=False, **k):
    t = Tokenizer(models.BPE(**k))
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False) if bytes_ else pre_tokenizers.Whitespace()
    alphabet = pre_tokenizers.ByteLevel.alphabet() if bytes_ else []
    affixes = {n: k[n] for n in ("continuing_subword_prefix", "end_of_word_suffix") if n in k}
    tr = trainers.BpeTrainer(vocab_size=vocab, special_tokens=["<unk>", "<s>", "</s>", "<mask>"], initial_alphabet=alphabet,
                             show_progress=False, **affixes)
    t.train_from_iterator(CORPUS, tr)
    return t


def template(t):
    return processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> $B </s>",
                                         special_tokens=[("<s>", t.token_to_id("<s>")), ("</s>", t.token_to_id("</s>"))])


LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
KIMI = r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}&&[^\p{Han}]]+(?i:'s|'t)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def byte_level():
    t = bpe(500, "bytes", True)
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)])
    t.normalizer = normalizers.NFC()
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.Sequence([processors.ByteLevel(), template(t)])
    t.add_tokens([AddedToken("<tok>", lstrip=True), AddedToken("tok", single_word=True, normalized=False)])
    t.add_special_tokens([special("<mask>", lstrip=True, rstrip=True), special("<pad>")])
    return t


def byte_prefix():
    t = bpe(420, "prefix", True)
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 1))
    return t


def kimi():
    t = bpe(450, "kimi", True)
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(KIMI), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    return t


def suffix():
    t = bpe(400, "suffix", end_of_word_suffix="</w>", unk_token="<unk>", fuse_unk=True)
    t.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), normalizers.Strip()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation(), pre_tokenizers.Digits(True)])
    t.decoder = decoders.BPEDecoder("</w>")
    return t


def prefix():
    t = bpe(400, "prefix", continuing_subword_prefix="##", unk_token="<unk>")
    t.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Nmt()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(False)])
    t.decoder = decoders.WordPiece("##", True)
    t.add_tokens([AddedToken("tok", single_word=True), AddedToken("<tok>", rstrip=True)])
    return t


def fallback():
    t = bpe(420, "fallback", unk_token="<unk>", fuse_unk=True)
    j = json.loads(t.to_str())
    for b in range(256):
        j["model"]["vocab"].setdefault("<0x%02X>" % b, len(j["model"]["vocab"]))
    for m in ("▁",):
        j["model"]["vocab"].setdefault(m, len(j["model"]["vocab"]))
    for m in ("t", "th", "the", "q", "a"):
        j["model"]["vocab"].setdefault("▁" + m, len(j["model"]["vocab"]))
    j["model"]["merges"] += [["▁", m] for m in ("t", "th", "the", "q", "a") if m in j["model"]["vocab"]]
    j["model"]["byte_fallback"] = True
    t = Tokenizer.from_str(json.dumps(j))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.pre_tokenizer = None
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.post_processor = template(t)
    return t


def metaspace(scheme, split):
    t = bpe(420, "meta", unk_token="<unk>")
    t.normalizer = normalizers.Replace(Regex(r"\s{2,}"), " ")
    t.pre_tokenizer = pre_tokenizers.Metaspace("▁", scheme, split)
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=420, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False))
    t.decoder = decoders.Metaspace("▁", scheme, split)
    t.add_tokens([AddedToken("<tok>", normalized=False)])
    return t


def unigram(fallback_bytes):
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Sequence([normalizers.NFKD(), normalizers.Replace("``", '"')])
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    names = ["<s>", "</s>", "<unk>"] + (["<0x%02X>" % b for b in range(256)] if fallback_bytes else [])
    t.train_from_iterator(CORPUS, trainers.UnigramTrainer(vocab_size=300, special_tokens=names, unk_token="<unk>", show_progress=False))
    if fallback_bytes:
        j = json.loads(t.to_str())
        j["model"]["byte_fallback"] = True
        j["added_tokens"] = j["added_tokens"][:3]
        t = Tokenizer.from_str(json.dumps(j))
    t.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    t.post_processor = template(t)
    return t


def wordpiece():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=50))
    t.normalizer = normalizers.BertNormalizer()
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=400, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False))
    t.decoder = decoders.WordPiece()
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return t


def wordlevel():
    t = Tokenizer(models.WordLevel(unk_token="<unk>"))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.CharDelimiterSplit(" "), pre_tokenizers.Split(Regex(r"[.,!?]"), "merged_with_previous"),
                                               pre_tokenizers.Split("-", "merged_with_next"), pre_tokenizers.Split(Regex(r"\d"), "contiguous")])
    t.train_from_iterator(CORPUS, trainers.WordLevelTrainer(vocab_size=200, special_tokens=["<unk>"], show_progress=False))
    t.decoder = decoders.CTC("<pad>", "|", True)
    return t


def added_bytes():
    """Added tokens that are found in the text of a ByteLevel normalizer, and decode from there."""
    t = bpe(330, "bytes", True)
    t.pre_tokenizer = None
    t.normalizer = normalizers.ByteLevel()
    t.decoder = decoders.ByteLevel()
    t.add_tokens(["naïve", "Zwölf", "<tok>", "日本語", "tok"])
    t.add_special_tokens([AddedToken("été", special=True, normalized=True), special("où")])
    return t


def added_prepend():
    """The form of an added token has a prefix here, and its case and accents are gone."""
    t = fallback()
    t.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.NFD(), normalizers.StripAccents(), normalizers.Prepend("▁"),
                                         normalizers.Replace(" ", "▁")])
    t.add_tokens(["CAFÉ", "<tok>", AddedToken("The", single_word=True), AddedToken("À", lstrip=True), "don't"])
    t.add_special_tokens([AddedToken("ÜÜ", special=True, normalized=True), AddedToken("quick", special=True, normalized=True)])
    return t


def byte_fallback():
    """A byte-level vocabulary that lacks letters of its alphabet: their UTF-8 becomes <0xHH>."""
    j = json.loads(byte_prefix().to_str())
    vocab, lost = j["model"]["vocab"], set("aÃÄæé½Ġł")
    j["model"]["vocab"] = {k: i for i, k in enumerate([k for k in vocab if not lost & set(k)] + ["<0x%02X>" % b for b in range(256)])}
    j["model"]["merges"] = [m for m in j["model"]["merges"] if not lost & set("".join(m))]
    j["model"]["byte_fallback"] = True
    j["post_processor"] = None
    return Tokenizer.from_str(json.dumps(j))


def write(name, files, cases):
    d = OUT / name
    if len(sys.argv) > 1 and name not in sys.argv[1:]:
        return
    d.mkdir(parents=True, exist_ok=True)
    for f, data in files.items():
        (d / f).write_bytes(data)
    (d / "cases.jsonl").write_text("".join(json.dumps(c) + "\n" for c in cases))


def hugging_face(name, t):
    cases = []
    t = Tokenizer.from_str(t.to_str())  # what the file says, not what training left behind
    for text in TEXTS + random_texts(60, 7):
        ids, with_special = t.encode(text, add_special_tokens=False).ids, t.encode(text).ids
        cases.append(dict(text=text, ids=ids, special=with_special, decoded=t.decode(with_special, skip_special_tokens=False),
                          skipped=t.decode(with_special)))
    write(name, {"tokenizer.json": t.to_str().encode()}, cases)


def sentence_piece(name, **k):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(CORPUS), model_writer=model, hard_vocab_limit=False, minloglevel=2, **k)
    s = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    cases = [dict(text=x, ids=s.encode(x), decoded=s.decode(s.encode(x))) for x in TEXTS + random_texts(60, 7) if "\x00" not in x]
    write(name, {"tokenizer.model": model.getvalue()}, cases)


def main():
    for name, t in dict(byte_level=byte_level(), byte_prefix=byte_prefix(), kimi=kimi(), suffix=suffix(), prefix=prefix(), fallback=fallback(),
                        meta_always=metaspace("always", True), meta_first=metaspace("first", False), unigram=unigram(False),
                        unigram_bytes=unigram(True), wordpiece=wordpiece(), wordlevel=wordlevel(), added_bytes=added_bytes(),
                        added_prepend=added_prepend(), byte_fallback=byte_fallback()).items():
        hugging_face(name, t)
    sentence_piece("sp_unigram", vocab_size=260, model_type="unigram", user_defined_symbols=["<tok>", "tok"])
    sentence_piece("sp_bpe", vocab_size=600, model_type="bpe", byte_fallback=True, character_coverage=0.98, user_defined_symbols=["<tok>", "tok "])
    sentence_piece("sp_bpe_plain", vocab_size=300, model_type="bpe", normalization_rule_name="identity", remove_extra_whitespaces=False,
                   add_dummy_prefix=False, character_coverage=0.98)
    sentence_piece("sp_char", vocab_size=200, model_type="char", character_coverage=0.98)
    sentence_piece("sp_word", vocab_size=150, model_type="word", normalization_rule_name="nfkc_cf")


if __name__ == "__main__":
    main()
