/* The predictor for any processor. */
#define VARIANT lmz_run_portable
#include "body.h"
