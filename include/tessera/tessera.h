/* All of the public interface. docs/api.md shows its use. */
#ifndef TESSERA_TESSERA_H
#define TESSERA_TESSERA_H
#include "tessera/checkpoint.h"
#include "tessera/convert.h"
#include "tessera/data.h"
#include "tessera/evaluate.h"
#include "tessera/log.h"
#include "tessera/model.h"
#include "tessera/options.h"
#include "tessera/plan.h"
#include "tessera/status.h"
#include "tessera/tokenizer.h"
#include "tessera/train.h"
#include "tessera/version.h"
#endif
