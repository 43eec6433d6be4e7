// The same count by simdjson's On-Demand parser: NAME INPUT OUTPUT CORES.
//
// Each line is parsed by itself and every value of its root is walked, as a count must that rejects bad lines; inside of
// values On-Demand validates less than Millstream does. Each thread reads a share of the file in pieces of 8 MiB, cut at
// newlines; a user is the hash of its text. What comes out is one JSON object for each window, as of the other engines.
#include <fcntl.h>
#include <simdjson.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

namespace {

constexpr size_t PIECE_BYTES = 8 << 20;
using Minutes = std::unordered_map<int64_t, std::vector<uint64_t>>;

uint64_t hashed(std::string_view text) { return std::hash<std::string_view>{}(text); }

struct Counter {
  Minutes minutes;
  simdjson::ondemand::parser parser;
  int64_t last_minute = -1;
  std::vector<uint64_t>* last = nullptr;

  void take(const char* line, size_t length, size_t room) {
    simdjson::ondemand::document document;
    if (parser.iterate(line, length, room).get(document)) return;
    simdjson::ondemand::object object;
    if (document.get_object().get(object)) return;
    uint64_t user = 0;
    int64_t time = -1;
    bool has_user = false;
    for (auto field : object) {
      std::string_view key;
      if (field.unescaped_key().get(key)) return;
      if (key == "uid") {
        std::string_view text;
        if (field.value().get_string().get(text)) return;
        user = hashed(text);
        has_user = true;
      } else if (key == "ts") {
        if (field.value().get_int64().get(time)) return;
      }
    }
    if (!has_user || time < 0) return;
    const char* behind;
    if (document.current_location().get(behind) == simdjson::SUCCESS) return;  // something behind the object
    const int64_t minute = time / 60 * 60;
    if (minute != last_minute) {
      last = &minutes[minute];
      last_minute = minute;
    }
    last->push_back(user);
    if (last->size() >= (1u << 20)) compact(*last);
  }

  static void compact(std::vector<uint64_t>& users) {
    std::sort(users.begin(), users.end());
    users.erase(std::unique(users.begin(), users.end()), users.end());
  }
};

// The lines that start in bytes `from` up to `to`.
void share(const char* path, off_t from, off_t to, Counter& counter) {
  const int file = open(path, O_RDONLY);
  std::vector<char> room(2 * PIECE_BYTES + simdjson::SIMDJSON_PADDING);
  off_t at = from ? from - 1 : 0;
  size_t held = 0;
  bool skips = from > 0;
  off_t start = at;  // of what is held
  for (;;) {
    const ssize_t got = pread(file, room.data() + held, PIECE_BYTES, at);
    if (got <= 0 && held == 0) break;
    held += got > 0 ? got : 0;
    at += got > 0 ? got : 0;
    size_t begin = 0;
    while (begin < held) {
      const char* newline = static_cast<const char*>(memchr(room.data() + begin, '\n', held - begin));
      if (newline == nullptr && got > 0) break;
      const size_t end = newline ? newline - room.data() : held;
      if (!skips) {
        if (start + static_cast<off_t>(begin) >= to) {
          close(file);
          return;
        }
        if (end > begin) counter.take(room.data() + begin, end - begin, room.size() - begin);
      }
      skips = false;
      begin = std::min(end + 1, held);
    }
    memmove(room.data(), room.data() + begin, held - begin);
    held -= begin;
    start += begin;
    if (got <= 0) break;
  }
  close(file);
}

int64_t window_of(int64_t minute, const std::string& by) {
  if (by == "minute") return minute;
  if (by == "hour") return minute / 3600 * 3600;
  const int64_t day = minute / 86400;
  if (by == "day") return day * 86400;
  if (by == "week") return (day - (day + 3) % 7) * 86400;
  const time_t at = minute;
  tm parts{};
  gmtime_r(&at, &parts);
  parts.tm_sec = parts.tm_min = parts.tm_hour = 0;
  parts.tm_mday = 1;
  if (by == "year") parts.tm_mon = 0;
  return timegm(&parts);
}

}  // namespace

int main(int, char** words) {
  struct stat facts{};
  if (stat(words[1], &facts)) return 1;
  const int cores = std::atoi(words[3]);
  std::vector<Counter> counters(cores);
  std::vector<std::thread> threads;
  const off_t part = facts.st_size / cores + 1;
  for (int number = 0; number < cores; ++number)
    threads.emplace_back([&, number] { share(words[1], number * part, (number + 1) * part, counters[number]); });
  for (auto& thread : threads) thread.join();
  std::map<int64_t, std::vector<uint64_t>> minutes;
  for (auto& counter : counters)
    for (auto& [minute, users] : counter.minutes) {
      auto& all = minutes[minute];
      all.insert(all.end(), users.begin(), users.end());
    }
  FILE* output = std::fopen(words[2], "w");
  if (output == nullptr) return 1;
  for (const std::string by : {"minute", "hour", "day", "week", "month", "year"}) {
    std::map<int64_t, std::vector<uint64_t>> windows;
    for (auto& [minute, users] : minutes) {
      if (by == "minute") Counter::compact(users);
      auto& all = windows[window_of(minute, by)];
      all.insert(all.end(), users.begin(), users.end());
      if (all.size() > (1u << 21)) Counter::compact(all);
    }
    for (auto& [start, users] : windows) {
      Counter::compact(users);
      std::fprintf(output, "{\"by\": \"%s\", \"start\": %ld, \"users\": %zu}\n", by.c_str(), static_cast<long>(start), users.size());
    }
  }
  return std::fclose(output);
}
