// A small worker with the AWS SDK v3, as its application sees AWS: one JSON request a line in, one JSON answer a line out.
//
// Endpoints and credentials come from the environment, as in a container. {"operation": "Work"} is one turn of the worker:
// take a message, publish a page, answer, delete. Any other operation is one call of the SDK.
import { createInterface } from "node:readline";
import * as s3 from "@aws-sdk/client-s3";
import * as sqs from "@aws-sdk/client-sqs";

const own = process.env.CHAOSD_TEST_REQUEST_TIMEOUT_MS;
const limits = own ? { requestHandler: { requestTimeout: Number(own), throwOnRequestTimeout: true } } : {};
const clients = { sqs: new sqs.SQSClient(limits), s3: new s3.S3Client(limits) };
const modules = { sqs, s3 };
const tries = { count: 0 };

for (const client of Object.values(clients)) {
  // Below the SDK's own retrying: once for every request that is sent.
  const counted = (next) => (args) => {
    tries.count += 1;
    return next(args);
  };
  client.middlewareStack.add(counted, { step: "deserialize", priority: "low", name: "countTries" });
}

async function call({ service, operation, input }) {
  const answer = await clients[service].send(new modules[service][`${operation}Command`](input));
  const { $metadata: _, ...seen } = answer;
  if (answer.Body) seen.Body = await answer.Body.transformToString();
  return seen;
}

async function work({ queue, answers, bucket }) {
  const taken = await call({ service: "sqs", operation: "ReceiveMessage", input: { QueueUrl: queue, WaitTimeSeconds: 1 } });
  const message = taken.Messages?.[0];
  if (!message) return { idle: true };
  const Body = `<p>${message.Body}</p>`;
  await call({ service: "s3", operation: "PutObject", input: { Bucket: bucket, Key: "index.html", Body } });
  await call({ service: "sqs", operation: "SendMessage", input: { QueueUrl: answers, MessageBody: message.Body } });
  await call({ service: "sqs", operation: "DeleteMessage", input: { QueueUrl: queue, ReceiptHandle: message.ReceiptHandle } });
  return { worked: message.MessageId };
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  tries.count = 0;
  let seen;
  try {
    seen = { answer: await (request.operation === "Work" ? work(request.input) : call(request)) };
  } catch (error) {
    seen = { error: { name: error.name, code: error.code ?? "", message: String(error.message) } };
  }
  process.stdout.write(JSON.stringify({ ...seen, tries: tries.count }) + "\n");
}
