/* The net's step for any processor. */
#define NET_PART(part) net_##part##_portable
#include "net_step.h"
