/* Stands in for the image's busybox where there is no image yet: says that it runs, and waits. */
#include <unistd.h>

int main(void)
{
    if (write(3, "m", 1) != 1) /* descriptor 3 is the payload's report of its first instruction */
        return 1;
    for (;;)
        pause();
}
