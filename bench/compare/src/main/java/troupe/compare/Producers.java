package troupe.compare;

import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageExtBatch;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.PutMessageResult;
import troupe.compat.NewMessage;

/** Puts numbered messages into the queues, a batch into each queue in turn. */
final class Producers {
  private static final InetSocketAddress BORN_HOST = new InetSocketAddress("127.0.0.1", 54321);
  private static final InetSocketAddress STORE_HOST = new InetSocketAddress("127.0.0.1", 10911);
  /** The fixed fields of a message inside a client's batch; body and properties come on top. */
  private static final int BATCHED_FIXED_BYTES = 22;

  private static final String UNIQUE_KEY_NAME =
      MessageConst.PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX;
  private static final byte[] NO_KEY = "0".repeat(32).getBytes(StandardCharsets.US_ASCII);

  private final DefaultMessageStore store;
  private final Workload workload;
  private final Bodies bodies;
  private final Latencies latencies;
  private final Semaphore inFlight;
  private final AtomicReference<Throwable> failure = new AtomicReference<>();

  Producers(DefaultMessageStore store, Workload workload, Bodies bodies, Latencies latencies) {
    this.store = store;
    this.workload = workload;
    this.bodies = bodies;
    this.latencies = latencies;
    this.inFlight = new Semaphore(workload.inFlight());
  }

  /** Returns when all messages from `first` up to, not with, `end` are acknowledged. */
  void run(long first, long end) throws Exception {
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < workload.producers(); i++) {
      int producer = i;
      Thread thread = new Thread(() -> produce(producer, first, end), "producer-" + i);
      thread.start();
      threads.add(thread);
    }
    for (Thread thread : threads) {
      thread.join();
    }
    inFlight.acquire(workload.inFlight());
    inFlight.release(workload.inFlight());
    if (failure.get() != null) {
      throw new IllegalStateException("a put failed", failure.get());
    }
  }

  private void produce(int producer, long first, long end) {
    try {
      long step = (long) workload.batch() * workload.producers();
      long number = first + (long) workload.batch() * producer;
      // Each producer starts at its own share of the queues and keeps to it.
      int queue = producer;
      for (; number < end && failure.get() == null; number += step) {
        put(queue, number, (int) Math.min(workload.batch(), end - number));
        queue = (queue + workload.producers()) % workload.queues();
      }
    } catch (Exception e) {
      failure.compareAndSet(null, e);
    }
  }

  private void put(int queue, long number, int count) throws Exception {
    inFlight.acquire(count);
    long start = System.nanoTime();
    CompletableFuture<PutMessageResult> answer;
    try {
      answer =
          workload.batch() == 1
              ? store.asyncPutMessage(single(queue, number))
              : store.asyncPutMessages(batch(queue, number, count));
    } catch (RuntimeException e) {
      answer = CompletableFuture.failedFuture(e);
    }
    answer.whenComplete(
        (result, error) -> {
          latencies.add(System.nanoTime() - start);
          if (error != null || !result.isOk()) {
            failure.compareAndSet(
                null, error != null ? error : new IllegalStateException(result.toString()));
          }
          inFlight.release(count);
        });
  }

  private NewMessage single(int queue, long number) {
    NewMessage message = new NewMessage();
    address(message, queue);
    message.setBody(bodies.make(number));
    MessageAccessor.setProperties(message, new HashMap<>());
    if (workload.uniqueKeys()) {
      message.setPropertiesString(uniqueKeyProperty(number));
    }
    return message;
  }

  private MessageExtBatch batch(int queue, long number, int count) {
    MessageExtBatch batch = new MessageExtBatch();
    address(batch, queue);
    batch.setBody(
        workload.encodeDirectly()
            ? encodeDirectly(number, count)
            : encodeAsClient(queue, number, count));
    return batch;
  }

  /** The way of RocketMQ's own producer: message objects, and its encoder. */
  private byte[] encodeAsClient(int queue, long number, int count) {
    List<Message> messages = new ArrayList<>(count);
    for (long n = number; n < number + count; n++) {
      Message message = new Message(workload.topic(queue), bodies.make(n));
      if (workload.uniqueKeys()) {
        MessageAccessor.putProperty(message, UNIQUE_KEY_NAME, uniqueKey(n));
      }
      messages.add(message);
    }
    return MessageDecoder.encodeMessages(messages);
  }

  /** The same bytes at the least possible cost, which no producer of RocketMQ reaches. */
  private byte[] encodeDirectly(long number, int count) {
    int properties = workload.uniqueKeys() ? uniqueKeyProperty(number).length() : 0;
    int length = BATCHED_FIXED_BYTES + bodies.size() + properties;
    ByteBuffer chain = ByteBuffer.allocate(count * length);
    for (long n = number; n < number + count; n++) {
      chain.putInt(length).putInt(0).putInt(0).putInt(0).putInt(bodies.size());
      bodies.write(n, chain);
      chain.putShort((short) properties);
      if (workload.uniqueKeys()) {
        chain.put(uniqueKeyProperty(n).getBytes(StandardCharsets.US_ASCII));
      }
    }
    return chain.array();
  }

  private void address(MessageExt message, int queue) {
    message.setTopic(workload.topic(queue));
    message.setQueueId(workload.queueId(queue));
    message.setBornTimestamp(System.currentTimeMillis());
    message.setBornHost(BORN_HOST);
    message.setStoreHost(STORE_HOST);
  }

  private static String uniqueKeyProperty(long number) {
    return UNIQUE_KEY_NAME + '\001' + uniqueKey(number) + '\002';
  }

  private static String uniqueKey(long number) {
    byte[] digits = NO_KEY.clone();
    for (int at = digits.length - 1; number != 0; at--, number >>>= 4) {
      digits[at] = (byte) Character.toUpperCase(Character.forDigit((int) (number & 15), 16));
    }
    return new String(digits, StandardCharsets.US_ASCII);
  }
}
