package troupe.interop;

import static troupe.interop.Interop.await;
import static troupe.interop.Interop.check;
import static troupe.interop.Interop.checked;
import static troupe.interop.Interop.list;
import static troupe.interop.Interop.message;
import static troupe.interop.Interop.producer;
import static troupe.interop.Interop.stored;
import static troupe.interop.Interop.topic;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * For how long nothing comes of a queue after the node was killed, while messages are sent to it
 * all the time; that nothing is lost, and that queues keep their order.
 */
final class Gaps {
  /** A client lets a pull wait for 30 s, and tries again 3 s after that failed. */
  private static final long MOST_MS = 40_000;

  private Gaps() {}

  /** What one consumer saw. */
  private static final class Seen {
    final Map<Integer, Long> last = new ConcurrentHashMap<>(); // when, by queue
    final Map<Integer, Long> worst = new ConcurrentHashMap<>(); // gap, by queue, in ms
    final Map<Integer, List<Long>> offsets = new ConcurrentHashMap<>(); // as they first came
    final Set<String> keys = ConcurrentHashMap.newKeySet();
    final List<String> wrong = list();

    void take(MessageExt m) {
      try {
        String key = checked(m);
        long now = System.nanoTime();
        Long before = last.put(m.getQueueId(), now);
        if (before != null) {
          worst.merge(m.getQueueId(), (now - before) / 1_000_000, Math::max);
        }
        if (keys.add(key)) {
          offsets.computeIfAbsent(m.getQueueId(), q -> list()).add(m.getQueueOffset());
        }
      } catch (Throwable e) {
        wrong.add(e.toString());
      }
    }
  }

  static void under(int times) throws Exception {
    String topic = topic() + "-gaps";
    Seen any = new Seen();
    Seen orderly = new Seen();
    stored(producer().send(message(topic, "k", 1))); // makes the topic
    DefaultMQPushConsumer one = Retries.consumer("GAPS", topic);
    one.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      messages.forEach(any::take);
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    DefaultMQPushConsumer two = Retries.consumer("GAPS-ORDERLY", topic);
    two.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
      messages.forEach(orderly::take);
      return ConsumeOrderlyStatus.SUCCESS;
    });
    one.start();
    two.start();
    Set<String> acknowledged = ConcurrentHashMap.newKeySet();
    AtomicBoolean over = new AtomicBoolean();
    Thread sender = new Thread(() -> send(topic, acknowledged, over));
    sender.start();
    List<Long> gaps = new ArrayList<>();
    await("they came", () -> any.last.size() == 4 && orderly.last.size() == 4);
    for (int i = 0; i < times; ++i) {
      Thread.sleep(2000 + 700L * (i % 7)); // another moment of the waiting pulls each time
      any.worst.clear();
      orderly.worst.clear();
      Restarts.restart();
      long started = System.nanoTime();
      await("each queue goes on",
          () -> later(any, started) && later(orderly, started));
      Thread.sleep(200);
      gaps.add(Math.max(worst(any), worst(orderly)));
      System.out.println("        kill " + (i + 1) + ": worst gap of each queue " + text(any)
          + " ms, orderly " + text(orderly) + " ms");
    }
    over.set(true);
    sender.join();
    await("all came", () -> any.keys.containsAll(acknowledged)
        && orderly.keys.containsAll(acknowledged));
    one.shutdown();
    two.shutdown();
    check(any.wrong.isEmpty() && orderly.wrong.isEmpty(), "wrong " + any.wrong + orderly.wrong);
    for (List<Long> of : orderly.offsets.values()) {
      for (int i = 1; i < of.size(); ++i) {
        check(of.get(i - 1) < of.get(i), "out of order: " + of.get(i - 1) + ", " + of.get(i));
      }
    }
    long most = gaps.stream().mapToLong(Long::longValue).max().orElse(0);
    System.out.println("        " + acknowledged.size() + " acknowledged, none lost; worst gap "
        + most + " ms");
    check(most < MOST_MS, "nothing came for " + most + " ms");
  }

  private static boolean later(Seen seen, long than) {
    return seen.last.values().stream().allMatch(at -> at > than)
        && seen.worst.size() == seen.last.size();
  }

  private static long worst(Seen seen) {
    return seen.worst.values().stream().mapToLong(Long::longValue).max().orElse(0);
  }

  private static String text(Seen seen) {
    return new HashMap<>(seen.worst).values().toString();
  }

  /** To each queue in turn, one message every 10 ms, whether the last was taken or not. */
  private static void send(String topic, Set<String> acknowledged, AtomicBoolean over) {
    try {
      DefaultMQProducer producer = producer();
      producer.setRetryTimesWhenSendFailed(0);
      List<MessageQueue> queues = producer.fetchPublishMessageQueues(topic);
      for (int i = 0; !over.get(); ++i) {
        Message m = message(topic, "k", i % 100);
        try {
          SendResult result = producer.send(m, queues.get(i % queues.size()), 1000);
          stored(result);
          acknowledged.add(m.getKeys());
        } catch (Exception e) {
          // what failed may be stored all the same
        }
        Thread.sleep(10);
      }
      producer.shutdown();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }
}
