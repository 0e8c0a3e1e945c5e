/* mask.h on a processor without AVX2: the source itself, with the question to the processor answered by no. */
#ifdef __x86_64__
static int never(void) {
    return 0;
}

#define __builtin_cpu_supports(feature) never()
#endif
#include "mask.c"

#include <assert.h>
#include <stdio.h>

int main(void) {
    uint8_t bytes[11] = "unmasked!!";
    const uint8_t key[4] = {1, 2, 3, 4};
    assert(strcmp(mask_name(), "portable") == 0);
    assert(mask_select("avx2") == -1);
    assert(mask_select(NULL) == 0 && strcmp(mask_name(), "portable") == 0);
    mask_apply(bytes, bytes, 10, key, 1);
    assert(bytes[0] == ('u' ^ 2) && bytes[9] == ('!' ^ 3) && bytes[10] == 0);
    puts("mask checks passed");
    return 0;
}
