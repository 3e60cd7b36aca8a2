// Looks names up with Go's own resolver and connects: HOST PORT... A line each.
package main

import (
	"fmt"
	"net"
	"os"
	"time"
)

func main() {
	for i := 1; i+1 < len(os.Args); i += 2 {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(os.Args[i], os.Args[i+1]), 5*time.Second)
		if err != nil {
			fmt.Println(os.Args[i]+":", err)
			continue
		}
		fmt.Println(os.Args[i]+":", conn.RemoteAddr(), "connected")
	}
}
