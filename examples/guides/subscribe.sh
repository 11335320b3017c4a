curl --no-buffer "http://127.0.0.1:${PORT:-4000}/live?topic=news&from=oldest"
