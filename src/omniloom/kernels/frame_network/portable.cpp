// The network over frames for portable.
#define VECTOR_BYTES 16
#define OMNILOOM_ISA portable
#include "body.h"
