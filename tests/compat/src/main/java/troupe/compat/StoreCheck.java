package troupe.compat;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.GetMessageResult;
import org.apache.rocketmq.store.QueryMessageResult;
import org.apache.rocketmq.store.SelectMappedBufferResult;

/** Compares what the Java store hands out with a manifest: nothing more, nothing less. */
final class StoreCheck {
  private static final String GROUP = "compat";
  private static final int PULL_BATCH = 32;
  /** Room in a key's answer for messages that the manifest does not expect there. */
  private static final int QUERY_SLACK = 64;
  private static final int BLANK_MAGIC = 0xcbd43194;
  /** An index entry keeps its time in whole seconds, so it may read up to a second early. */
  private static final long INDEX_TIME_ERROR_MS = 1000;

  private final DefaultMessageStore store;
  private final List<ManifestEntry> manifest;
  private final Set<String> ignoredProperties;
  private final Findings findings;

  private record Queue(String topic, int id) {}

  private record Key(String topic, String key) {}

  StoreCheck(
      DefaultMessageStore store,
      List<ManifestEntry> manifest,
      Set<String> ignoredProperties,
      Findings findings) {
    this.store = store;
    this.manifest = manifest;
    this.ignoredProperties = ignoredProperties;
    this.findings = findings;
  }

  void run() {
    checkLog();
    checkQueues();
    checkKeys();
  }

  /** Every record lies where the manifest says, and only blanks lie between the records. */
  private void checkLog() {
    long position = store.getMinPhyOffset();
    for (ManifestEntry entry : manifest) {
      checkGap(position, entry.physOffset());
      compare("log", entry, store.lookMessageByOffset(entry.physOffset()));
      position = entry.end();
    }
    checkGap(position, store.getMaxPhyOffset());
  }

  private void checkGap(long from, long to) {
    if (from == to) {
      return;
    }
    long fileSize = store.getMessageStoreConfig().getMappedFileSizeCommitLog();
    long fileEnd = (from / fileSize + 1) * fileSize;
    SelectMappedBufferResult bytes = store.getCommitLogData(from);
    try {
      ByteBuffer head = bytes == null ? ByteBuffer.allocate(0) : bytes.getByteBuffer();
      boolean blank =
          to == fileEnd
              && head.remaining() >= 8
              && head.getInt() == fileEnd - from
              && head.getInt() == BLANK_MAGIC;
      if (!blank) {
        findings.differ("log %d to %d holds what the manifest does not name", from, to);
      }
      findings.count("blanks");
    } finally {
      if (bytes != null) {
        bytes.release();
      }
    }
  }

  private void checkQueues() {
    Map<Queue, TreeMap<Long, ManifestEntry>> wanted = new HashMap<>();
    for (ManifestEntry entry : manifest) {
      if (entry.queued()) {
        wanted
            .computeIfAbsent(new Queue(entry.topic(), entry.queueId()), q -> new TreeMap<>())
            .put(entry.queueOffset(), entry);
      }
    }
    Set<Queue> queues = new HashSet<>(wanted.keySet());
    Map<String, ? extends Map<Integer, ?>> table = store.getConsumeQueueTable();
    table.forEach((topic, ids) -> ids.keySet().forEach(id -> queues.add(new Queue(topic, id))));
    for (Queue queue : queues) {
      findings.count("queues");
      checkQueue(queue, wanted.getOrDefault(queue, new TreeMap<>()));
    }
  }

  private void checkQueue(Queue queue, TreeMap<Long, ManifestEntry> wanted) {
    long min = store.getMinOffsetInQueue(queue.topic, queue.id);
    long max = StoreEdition.maxOffset(store, queue.topic, queue.id);
    long first = wanted.isEmpty() ? min : wanted.firstKey();
    long end = wanted.isEmpty() ? min : wanted.lastKey() + 1;
    if (min != first || max != end) {
      findings.differ(
          "%s queue %d is [%d, %d), should be [%d, %d)",
          queue.topic, queue.id, min, max, first, end);
    }
    for (ManifestEntry entry : wanted.values()) {
      List<MessageExt> got = pull(queue, entry.queueOffset(), 1);
      compare("offsets", entry, got.isEmpty() ? null : got.get(0));
    }
    checkPulls(queue, wanted);
  }

  /** Reads the queue as a consumer does: batch after batch, from the first to the end. */
  private void checkPulls(Queue queue, TreeMap<Long, ManifestEntry> wanted) {
    List<ManifestEntry> order = new ArrayList<>(wanted.values());
    int next = 0;
    while (next < order.size()) {
      List<MessageExt> got = pull(queue, order.get(next).queueOffset(), PULL_BATCH);
      if (got.isEmpty() || got.size() > order.size() - next) {
        findings.differ(
            "%s queue %d gives %d messages from offset %d on, %d are left",
            queue.topic, queue.id, got.size(), order.get(next).queueOffset(), order.size() - next);
        return;
      }
      for (MessageExt message : got) {
        compare("pulled", order.get(next++), message);
      }
    }
  }

  private List<MessageExt> pull(Queue queue, long offset, int count) {
    GetMessageResult result = store.getMessage(GROUP, queue.topic, queue.id, offset, count, null);
    try {
      return decode(result.getMessageBufferList());
    } finally {
      result.release();
    }
  }

  private void checkKeys() {
    Map<Key, TreeMap<Long, ManifestEntry>> wanted = new HashMap<>();
    for (ManifestEntry entry : manifest) {
      for (String key : entry.indexKeys()) {
        wanted
            .computeIfAbsent(new Key(entry.topic(), key), k -> new TreeMap<>())
            .put(entry.physOffset(), entry);
      }
    }
    wanted.forEach(
        (key, entries) -> {
          long begin = entries.firstEntry().getValue().storeTimestamp() - INDEX_TIME_ERROR_MS;
          long end = entries.lastEntry().getValue().storeTimestamp();
          checkKey("keys", key, entries, 0, Long.MAX_VALUE);
          checkKey("keysByTime", key, entries, begin, end);
        });
  }

  private void checkKey(
      String what, Key key, TreeMap<Long, ManifestEntry> wanted, long begin, long end) {
    Map<Long, MessageExt> found = new TreeMap<>();
    QueryMessageResult result =
        store.queryMessage(key.topic, key.key, wanted.size() + QUERY_SLACK, begin, end);
    try {
      for (MessageExt message : decode(result.getMessageBufferList())) {
        // The index knows hashes only: like a client, drop what merely has the same hash.
        if (hasKey(message, key)) {
          found.put(message.getCommitLogOffset(), message);
        }
      }
    } finally {
      result.release();
    }
    if (!found.keySet().equals(wanted.keySet())) {
      findings.differ(
          "key %s of %s finds log offsets %s, should find %s",
          key.key, key.topic, found.keySet(), new TreeSet<>(wanted.keySet()));
      return;
    }
    wanted.forEach((offset, entry) -> compare(what, entry, found.get(offset)));
  }

  private static boolean hasKey(MessageExt message, Key key) {
    ManifestEntry entry = new ManifestEntry(Manifest.describe(message));
    return message.getTopic().equals(key.topic) && entry.indexKeys().contains(key.key);
  }

  private void compare(String what, ManifestEntry entry, MessageExt message) {
    findings.count(what);
    if (message == null) {
      findings.differ("%s: %s is not there", what, entry.place());
      return;
    }
    String differences = entry.differences(Manifest.describe(message), ignoredProperties);
    if (!differences.isEmpty()) {
      findings.differ("%s: %s: %s", what, entry.place(), differences);
    }
  }

  /** What cannot be decoded is a difference of its own and leaves no message. */
  private List<MessageExt> decode(List<ByteBuffer> buffers) {
    List<MessageExt> messages = new ArrayList<>();
    for (ByteBuffer buffer : buffers) {
      MessageExt message = MessageDecoder.decode(buffer, true, false);
      if (message == null) {
        findings.differ("a record of %d bytes cannot be decoded", buffer.limit());
      } else {
        messages.add(message);
      }
    }
    return messages;
  }
}
