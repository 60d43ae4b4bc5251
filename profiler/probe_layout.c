/* Learning the layout of torch's tensors: see the header. */
#include "profiler/probe_layout.h"

#include "trace/trace_format.h"

#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
  IMPL_WORDS = 32,    /* of a TensorImpl, 256 bytes: 1.13 has 184, 2.x up to 200 */
  STORAGE_WORDS = 16, /* of a StorageImpl */
};

bool probe_read_memory(uint64_t address, void *bytes, size_t size) {
  struct iovec local = {.iov_base = bytes, .iov_len = size};
  struct iovec remote = {.iov_base = (void *)address, .iov_len = size}; // NOLINT(performance-no-int-to-ptr)
  return syscall(SYS_process_vm_readv, getpid(), &local, 1UL, &remote, 1UL, 0UL) == (long)size;
}

unsigned probe_dtype_size(uint32_t dtype) {
  static const uint8_t sizes[] = {1, 1, 2, 4, 8, 2, 4, 8, 4, 8, 16, 1, 1, 1, 4,
                                  2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,  1, 2, 4, 8};
  return dtype < sizeof sizes ? sizes[dtype] : 0;
}

/* Small blocks would match by chance: many a word is a number of elements that makes four bytes. */
void probe_layout_note_block(struct probe_layout *layout, const void *block, size_t size) {
  if (size < PROBE_LEARN_BYTES) {
    return;
  }
  /* Two threads may take the same slot, and one of the blocks is forgotten: cheaper than a locked addition. */
  uint32_t count = __atomic_load_n(&layout->recent_count, __ATOMIC_RELAXED);
  uint32_t slot = count % PROBE_RECENT_BLOCKS;
  __atomic_store_n(&layout->recent_count, count + 1, __ATOMIC_RELAXED);
  __atomic_store_n(&layout->recent[slot].address, (uintptr_t)block, __ATOMIC_RELAXED);
  __atomic_store_n(&layout->recent[slot].size, size, __ATOMIC_RELAXED);
}

/* The size asked for of the most recent block at this address; 0 if there was none. */
static uint64_t recent_size(const struct probe_layout *layout, uint64_t address) {
  uint32_t count = __atomic_load_n(&layout->recent_count, __ATOMIC_RELAXED);
  uint32_t most = count < PROBE_RECENT_BLOCKS ? count : PROBE_RECENT_BLOCKS;
  for (uint32_t i = 1; i <= most; i++) {
    uint32_t slot = (count - i) % PROBE_RECENT_BLOCKS;
    if (__atomic_load_n(&layout->recent[slot].address, __ATOMIC_RELAXED) == address) {
      return __atomic_load_n(&layout->recent[slot].size, __ATOMIC_RELAXED);
    }
  }
  return 0;
}

/* As many words as can be read, in steps of eight, since an object may end near the end of a mapping. */
static size_t read_words(uint64_t address, uint64_t *words, size_t most) {
  size_t count = 0;
  while (count < most && probe_read_memory(address + count * 8, words + count, 64)) {
    count += 8;
  }
  return count;
}

/* The offset of the elements, 0 if none fits. From the end, where they stand: sizes and strides come before. */
static size_t find_elements(const uint64_t *impl, size_t words, uint64_t bytes) {
  for (size_t i = words - 1; i-- > 2;) {
    uint16_t dtype = (uint16_t)impl[i + 1];
    unsigned size = probe_dtype_size(dtype);
    if (size && impl[i] && impl[i] <= bytes && impl[i] * size == bytes) {
      return i * 8;
    }
  }
  return 0;
}

static bool learn_storage(struct probe_layout *layout, const uint64_t *impl, size_t impl_words, size_t at) {
  uint64_t storage[STORAGE_WORDS];
  if (impl[at] % 8 || impl[at] < 4096) {
    return false;
  }
  size_t words = read_words(impl[at], storage, STORAGE_WORDS);
  for (size_t data = 1; data < words; data++) {
    uint64_t bytes = storage[data] % 16 == 0 ? recent_size(layout, storage[data]) : 0;
    for (size_t size = data + 1; bytes && size < words; size++) {
      size_t elements = storage[size] == bytes ? find_elements(impl, impl_words, bytes) : 0;
      if (elements) {
        layout->storage = (uint16_t)(at * 8);
        layout->data = (uint16_t)(data * 8);
        layout->bytes = (uint16_t)(size * 8);
        layout->elements = (uint16_t)elements;
        __atomic_store_n(&layout->known, true, __ATOMIC_RELEASE);
        return true;
      }
    }
  }
  return false;
}

bool probe_layout_learn(struct probe_layout *layout, const void *impl) {
  uint64_t words[IMPL_WORDS];
  if (__atomic_load_n(&layout->known, __ATOMIC_ACQUIRE)) {
    return true;
  }
  size_t count = impl ? read_words((uintptr_t)impl, words, IMPL_WORDS) : 0;
  for (size_t at = 1; at < count && at < 8; at++) {
    if (learn_storage(layout, words, count, at)) {
      return true;
    }
  }
  return false;
}

bool probe_layout_fits(const struct probe_layout *layout, const void *impl) {
  uint64_t words[IMPL_WORDS], storage[STORAGE_WORDS];
  uint64_t address = (uintptr_t)impl;
  if (!layout->known || address % 8 || !probe_read_memory(address, words, layout->elements + 16u)) {
    return false;
  }
  uint64_t at = words[layout->storage / 8];
  return at == 0 || (at % 8 == 0 && probe_read_memory(at, storage, layout->bytes + 8u));
}

static uint64_t load(const void *object, size_t offset) {
  uint64_t word;
  memcpy(&word, (const uint8_t *)object + offset, sizeof word);
  return word;
}

bool probe_layout_read(const struct probe_layout *layout, const void *impl, struct probe_tensor *tensor) {
  uint64_t storage = impl ? load(impl, layout->storage) : 0;
  if (!storage) {
    return false;
  }
  const void *at = (const void *)storage; // NOLINT(performance-no-int-to-ptr)
  tensor->data = load(at, layout->data);
  tensor->bytes = load(at, layout->bytes);
  tensor->elements = load(impl, layout->elements);
  tensor->dtype = (uint16_t)load(impl, (size_t)layout->elements + 8);
  if (!probe_dtype_size(tensor->dtype)) {
    tensor->dtype = TRACE_DTYPE_UNKNOWN;
  }
  return tensor->data && tensor->bytes;
}
