/* A process in the state of one that is being killed: opens the file that it is told, with the kernel's lock on it; its first
   thread ends, which it says, and another one a little later. */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

static void* linger(void* unused) {
  (void)unused;
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%d/stat", getpid());
  for (;;) {
    FILE* file = fopen(path, "r");
    const size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file) fclose(file);
    text[length] = 0;
    if (strstr(text, ") Z ")) break;
    usleep(1000);
  }
  if (write(1, "ended\n", 6) != 6) exit(1);
  usleep(300000);
  exit(0);
}

int main(int count, char** words) {
  const int file = count > 1 ? open(words[1], O_RDWR | O_CREAT, 0666) : -1;
  pthread_t thread;
  if (file < 0 || flock(file, LOCK_EX) != 0 || pthread_create(&thread, NULL, linger, NULL) != 0) return 1;
  pthread_exit(NULL);
}
