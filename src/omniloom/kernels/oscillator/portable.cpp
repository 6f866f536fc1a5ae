// The oscillator for portable.
#define VECTOR_BYTES 16
#define OMNILOOM_ISA portable
#include "body.h"
