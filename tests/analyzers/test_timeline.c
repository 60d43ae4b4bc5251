/* The peak's composition against a simulation that copies every stack's bytes at each new maximum. */
#include "analyzers/timeline.h"

#include <criterion/criterion.h>
#include <string.h>

enum { STACKS = 12, BLOCKS = 64, EVENTS = 4000 };

static uint64_t random_next(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  return *state ^= *state << 17;
}

struct model {
  int64_t live, peak, bytes[STACKS], at_peak[STACKS];
  uint64_t size[BLOCKS], peak_event;
  uint32_t stack[BLOCKS];
  int64_t levels[EVENTS + 1];
};

static void step(struct model *model, struct timeline *timeline, uint64_t *seed, uint64_t event) {
  int i = (int)(random_next(seed) % BLOCKS);
  if (model->size[i]) {
    timeline_free(timeline, model->stack[i], model->size[i]);
    model->live -= (int64_t)model->size[i];
    model->bytes[model->stack[i]] -= (int64_t)model->size[i];
    model->size[i] = 0;
  } else {
    model->size[i] = 1 + random_next(seed) % 1000;
    model->stack[i] = (uint32_t)(random_next(seed) % STACKS);
    timeline_alloc(timeline, model->stack[i], model->size[i]);
    model->live += (int64_t)model->size[i];
    model->bytes[model->stack[i]] += (int64_t)model->size[i];
  }
  model->levels[event] = model->live;
  if (model->live > model->peak) {
    model->peak = model->live;
    model->peak_event = event;
    memcpy(model->at_peak, model->bytes, sizeof model->bytes);
  }
}

Test(timeline, composition_at_the_peak_is_exact) {
  for (uint64_t seed = 1; seed <= 30; seed++) {
    struct timeline timeline;
    static struct model model;
    memset(&model, 0, sizeof model);
    uint64_t state = seed * 0x9e3779b97f4a7c15u;
    cr_assert_eq(timeline_init(&timeline, STACKS, EVENTS * 3), 0);
    for (uint64_t event = 1; event <= EVENTS; event++) {
      timeline_begin(&timeline, event, event * 3);
      step(&model, &timeline, &state, event);
      timeline_settle(&timeline);
    }
    timeline_finish(&timeline);
    cr_assert_eq(timeline.peak, model.peak);
    cr_assert_eq(timeline.peak_event, model.peak_event);
    cr_assert_eq(timeline.peak_ns, model.peak_event * 3);
    for (int i = 0; i < STACKS; i++) {
      cr_assert_eq(timeline.stacks[i].peak_bytes, model.at_peak[i], "seed %lu stack %d", (unsigned long)seed, i);
    }
    timeline_fini(&timeline);
  }
}

Test(timeline, highest_between_cuts_is_exact) {
  struct timeline timeline;
  static struct model model;
  uint64_t state = 99, cuts[EVENTS], cuts_count = 0;
  cr_assert_eq(timeline_init(&timeline, STACKS, EVENTS), 0);
  for (uint64_t event = 1; event <= EVENTS; event++) {
    timeline_begin(&timeline, event, event);
    if (random_next(&state) % 20 == 0) {
      cr_assert_eq(timeline_cut(&timeline), 0);
      cr_assert_eq(timeline_cut(&timeline), 0); /* twice at one event is once */
      cuts[cuts_count++] = event;
    }
    step(&model, &timeline, &state, event);
    timeline_settle(&timeline);
  }
  cr_assert_eq(timeline.segments.count, cuts_count + 1);
  for (uint64_t i = 0; i + 7 < cuts_count; i++) {
    int64_t highest = 0;
    for (uint64_t event = cuts[i]; event < cuts[i + 7]; event++) {
      highest = model.levels[event] > highest ? model.levels[event] : highest;
    }
    cr_assert_eq(timeline_highest(&timeline, cuts[i], cuts[i + 7]), highest);
  }
  timeline_fini(&timeline);
}

static int64_t highest_of(const struct model *model, uint64_t from, uint64_t to) {
  int64_t highest = INT64_MIN;
  for (uint64_t event = from; event < to; event++) {
    highest = model->levels[event] > highest ? model->levels[event] : highest;
  }
  return highest;
}

/* Split at events that are past, as arenas are once they turn out to be some: the level up to there is exact, that from
 * there on where it matters. */
Test(timeline, splits_in_the_past) {
  enum { CUT_EVERY = 100, SPLIT_EVERY = 37, LATER = 250 };
  struct timeline timeline;
  static struct model model;
  static int64_t before[EVENTS + 1];
  uint64_t state = 4711;
  memset(&model, 0, sizeof model);
  cr_assert_eq(timeline_init(&timeline, STACKS, EVENTS * 3), 0);
  for (uint64_t event = 1; event <= EVENTS; event++) {
    timeline_begin(&timeline, event, event * 3);
    if (event % CUT_EVERY == 0) {
      cr_assert_eq(timeline_cut(&timeline), 0);
    }
    before[event] = timeline_level_before(&timeline);
    step(&model, &timeline, &state, event);
    timeline_settle(&timeline);
    if (event > LATER && (event - LATER) % SPLIT_EVERY == 0) {
      cr_assert_eq(timeline_split(&timeline, event - LATER, 3 * (event - LATER), before[event - LATER]), 0);
    }
  }
  for (size_t i = 0; i + 1 < timeline.segments.count; i++) {
    const struct facts_segment *segment = spill_at(&timeline.segments, i), *next = spill_at(&timeline.segments, i + 1);
    cr_assert_lt(segment->event, next->event);
    const int64_t highest = highest_of(&model, segment->event, next->event);
    const uint64_t cut = segment->event / CUT_EVERY * CUT_EVERY;
    const int64_t earlier = highest_of(&model, cut, segment->event);
    if (next->event % CUT_EVERY == 0 && segment->event > cut) {
      cr_expect_eq(segment->peak_bytes, highest > earlier ? highest : earlier, "behind a split");
    } else if (segment->event == cut) {
      cr_expect_eq(segment->peak_bytes, highest, "up to a split");
    }
  }
  timeline_fini(&timeline);
}

Test(timeline, samples_hold_the_highest_level_of_each_interval) {
  struct timeline timeline;
  cr_assert_eq(timeline_init(&timeline, 2, 4096 * 100 - 1), 0); /* buckets of 100 ns */
  cr_assert_eq(timeline.bucket_ns, 100);
  const struct {
    uint64_t time;
    int64_t change;
  } events[] = {{10, 50}, {20, -50}, {150, 30}, {420, 70}, {430, -100}};
  for (uint64_t i = 0; i < 5; i++) {
    timeline_begin(&timeline, i + 1, events[i].time);
    events[i].change > 0 ? timeline_alloc(&timeline, 1, (uint64_t)events[i].change)
                         : timeline_free(&timeline, 1, (uint64_t)-events[i].change);
    timeline_settle(&timeline);
  }
  const struct {
    uint64_t time_ns, live_bytes, event;
  } expected[] = {{10, 50, 1}, {150, 30, 3}, {200, 30, 3}, {300, 30, 3}, {420, 100, 4}};
  cr_assert_eq(timeline.samples_count, 5);
  for (int i = 0; i < 5; i++) {
    cr_assert_eq(timeline.samples[i].time_ns, expected[i].time_ns, "sample %d", i);
    cr_assert_eq(timeline.samples[i].live_bytes, expected[i].live_bytes, "sample %d", i);
    cr_assert_eq(timeline.sample_events[i], expected[i].event, "sample %d", i);
  }
  timeline_fini(&timeline);
}

Test(timeline, never_more_samples_than_announced) {
  struct timeline timeline;
  cr_assert_eq(timeline_init(&timeline, 2, 10), 0); /* the trace said that it ends at 10 ns; it does not */
  for (uint64_t event = 1; event < 100000; event++) {
    timeline_begin(&timeline, event, event);
    timeline_alloc(&timeline, 1, 1);
    timeline_settle(&timeline);
  }
  cr_assert_eq(timeline.samples_count, TIMELINE_SAMPLES);
  cr_assert_eq(timeline.samples[TIMELINE_SAMPLES - 1].live_bytes, 99999);
  timeline_fini(&timeline);
}
