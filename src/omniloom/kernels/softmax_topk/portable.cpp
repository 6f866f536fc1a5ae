// The scan of softmax_topk and sampling, for portable.
#define VECTOR_BYTES 16
#define OMNILOOM_ISA portable
#include "body.h"
