var orders = [];
for (var i = 0; i < 3000; i++) {
  orders.push({
    _id: i, who: 'O\'Neil "' + i + '" ü 密', sum: NumberDecimal('1.10'), at: new Date(1700000000000 + i),
    long: NumberLong('9007199254740993'), none: null, list: [1, 'x', {y: 2}], bytes: BinData(0, 'AP/+'),
  });
}
db.orders.insertMany(orders);
db.orders.createIndex({who: 1}, {unique: true, name: 'by who'});
db.orders.createIndex({at: -1}, {partialFilterExpression: {sum: {$gt: 0}}});
db.createCollection('empty', {validator: {n: {$type: 'int'}}});
db.createCollection('capped', {capped: true, size: 65536});
db.capped.insertOne({_id: 'only'});
db.createCollection('Mixed "Case". ü');
db.getCollection('Mixed "Case". ü').insertMany([{_id: ObjectId('650000000000000000000000')}, {_id: 'two'}]);
db.createCollection('strict');
db.strict.insertOne({_id: 1, n: 'was here before the rule'});
db.runCommand({collMod: 'strict', validator: {n: {$type: 'int'}}});
db.createView('open', 'orders', [{$match: {_id: {$lt: 10}}}]);
db.createCollection('heat', {timeseries: {timeField: 'at', metaField: 'room'}});
for (var i = 0; i < 50; i++) db.heat.insertOne({at: new Date(1700000000000 + i * 1000), room: i % 3, t: i});
