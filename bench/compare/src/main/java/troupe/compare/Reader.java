package troupe.compare;

import java.nio.ByteBuffer;
import java.util.BitSet;
import java.util.function.Consumer;
import org.apache.rocketmq.common.UtilAll;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.GetMessageResult;
import troupe.compat.StoreEdition;

/** Reads the queues from end to end through getMessage, in batches. */
final class Reader {
  private static final int BODY_CRC_AT = 8;
  private static final int BODY_LENGTH_AT = 84;
  private static final int BODY_AT = 88;

  private final DefaultMessageStore store;
  private final Workload workload;

  Reader(DefaultMessageStore store, Workload workload) {
    this.store = store;
    this.workload = workload;
  }

  /** Touches the head of every message; returns how many bytes of bodies there were. */
  long readAll(int batch, Latencies latencies) {
    long bytes = 0;
    for (int queue = 0; queue < workload.queues(); queue++) {
      long end = StoreEdition.maxOffset(store, workload.topic(queue), workload.queueId(queue));
      for (long offset = 0; offset < end; ) {
        long start = System.nanoTime();
        GetMessageResult result = pull(queue, offset, batch);
        for (ByteBuffer record : result.getMessageBufferList()) {
          bytes += record.getInt(BODY_LENGTH_AT);
        }
        offset += result.getMessageCount();
        result.release();
        latencies.add(System.nanoTime() - start);
      }
    }
    return bytes;
  }

  /** True when every number up to `total` is there once, in order, with its body and its CRC. */
  boolean verify(Bodies bodies, int batch, int total) {
    BitSet seen = new BitSet(total);
    for (int queue = 0; queue < workload.queues(); queue++) {
      long[] previous = {-1};
      boolean[] good = {true};
      forEach(
          queue,
          batch,
          record -> {
            byte[] body = new byte[record.getInt(BODY_LENGTH_AT)];
            record.get(BODY_AT, body);
            long number = ByteBuffer.wrap(body).getLong();
            good[0] &=
                number > previous[0]
                    && number < total
                    && !seen.get((int) number)
                    && record.getInt(BODY_CRC_AT) == UtilAll.crc32(body)
                    && bodies.matches(number, body);
            previous[0] = number;
            if (good[0]) {
              seen.set((int) number);
            }
          });
      if (!good[0]) {
        System.err.printf("queue %d: wrong message after number %d%n", queue, previous[0]);
        return false;
      }
    }
    if (seen.cardinality() != total) {
      System.err.printf("%d messages instead of %d%n", seen.cardinality(), total);
    }
    return seen.cardinality() == total;
  }

  private void forEach(int queue, int batch, Consumer<ByteBuffer> use) {
    long end = StoreEdition.maxOffset(store, workload.topic(queue), workload.queueId(queue));
    for (long offset = 0; offset < end; ) {
      GetMessageResult result = pull(queue, offset, batch);
      result.getMessageBufferList().forEach(use);
      offset += result.getMessageCount();
      result.release();
    }
  }

  private GetMessageResult pull(int queue, long offset, int count) {
    GetMessageResult result =
        store.getMessage(
            "bench", workload.topic(queue), workload.queueId(queue), offset, count, null);
    if (result == null || result.getMessageCount() == 0) {
      throw new IllegalStateException(
          "queue %d gives nothing at offset %d: %s"
              .formatted(queue, offset, result == null ? "no result" : result.getStatus()));
    }
    return result;
  }
}
