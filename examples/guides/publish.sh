curl --header "content-type: application/json" --data '{"title":"Comet returns"}' "http://127.0.0.1:${PORT:-4000}/news"
