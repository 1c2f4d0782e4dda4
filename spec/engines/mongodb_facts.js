db.getCollectionInfos().sort(function (a, b) { return a.name < b.name ? -1 : 1; }).forEach(function (own) {
  if (own.name.indexOf('system.') === 0) return;
  print(own.name + ' ' + own.type + ' ' + EJSON.stringify(own.options));
  var documents = db.getCollection(own.name).find().sort({_id: 1}).toArray();
  print(documents.length + ' ' + EJSON.stringify(documents.slice(0, 20)));
  print(EJSON.stringify(documents.slice(-20)));
  if (own.type === 'collection') print(EJSON.stringify(db.getCollection(own.name).getIndexes()));
});
